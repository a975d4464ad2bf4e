"""A plan as a table and as a page, for people who look at it before they apply it."""

import base64
import html
import io
import textwrap
from pathlib import Path

from PIL import Image

from keyart.catalog.cells import as_cell
from keyart.errors import PosterError, counted
from keyart.files import write_csv, write_text
from keyart.images.poster import read_file
from keyart.images.spec import ImageSpec
from keyart.library.plan import FileChange, ItemChange, Plan, PlannedFilm

_HEADER = (
    "film", "title", "year", "has", "writes", "scores", "evidence", "files", "poster", "left",
)  # fmt: skip
_THUMBNAIL = ImageSpec(height=120, width=80, fit="pad")
_MOST_THUMBNAILS = 2_000  # of about 3 kB each


def write_plan_csv(plan: Plan, path: Path) -> None:
    """Write a plan as CSV: a row for each film, also for those that are left alone."""
    write_csv(path, _HEADER, map(_row, plan.films))


def _row(film: PlannedFilm) -> tuple[object, ...]:
    return (
        as_cell(film.film),
        as_cell(film.title or ""),
        film.year,
        as_cell("|".join(film.has)),
        as_cell("|".join(film.writes)),
        "|".join(f"{score:.4f}" for score in film.scores.values()),
        "|".join(film.evidence),
        as_cell("|".join(_files(film))),
        as_cell(film.poster),
        as_cell(film.left),
    )


def _files(film: PlannedFilm) -> list[str]:
    return [change.path if isinstance(change, FileChange) else change.item
            for change in film.changes]  # fmt: skip


def write_plan_page(plan: Plan, path: Path) -> None:
    """Write a plan as one HTML page that needs no other file."""
    root = Path(plan.library.where) if plan.library.kind == "folder" else None
    changed = plan.changed
    films = "".join(
        _card(plan, film, root if place < _MOST_THUMBNAILS else None)
        for place, film in enumerate(changed)
    )
    genres = "".join(
        f"<li><b>{html.escape(name)}</b> {count:,}</li>"
        for name, count in plan.genres.most_common()
    )
    left = "".join(
        f"<tr><td>{html.escape(film.name)}</td><td>{html.escape(film.film)}</td>"
        f"<td>{html.escape(film.left)}</td></tr>"
        for film in plan.films
        if not film.changes
    )
    reasons = "".join(
        f"<li><b>{count:,}</b> {html.escape(reason)}</li>"
        for reason, count in plan.left.most_common()
    )
    what = f"{plan.writes}s"
    page = _PAGE.format(
        title=f"{what} for {len(changed):,} of {counted(len(plan.films), 'film')}",
        where=html.escape(plan.library.where),
        made=html.escape(plan.made.replace("T", " ").replace("+00:00", " UTC")),
        model=html.escape(plan.model.name),
        fingerprint=html.escape(plan.model.fingerprint[:12]),
        precision=f"{plan.model.precision:.0%}",
        what=what,
        genres=f"<ul class=counts>{genres}</ul>" if genres else "",
        films=films,
        left=_LEFT.format(count=f"{len(plan.films) - len(changed):,}", reasons=reasons, rows=left)
        if left
        else "",
    )
    write_text(path, page)


def _card(plan: Plan, film: PlannedFilm, root: Path | None) -> str:
    bars = "".join(
        f'<li><span>{html.escape(name)}</span><meter min=0 max=1 value="{score:.3f}"></meter>'
        f"<output>{score:.0%}</output></li>"
        for name, score in film.scores.items()
    )
    picture = _thumbnail(root, film)
    has = f"<p class=has>has {html.escape(' · '.join(film.has))}</p>" if film.has else ""
    changes = "".join(_change(plan, change) for change in film.changes)
    by = f"by {html.escape(', '.join(film.evidence))}"
    return (
        f"<article>{picture}<div><h2>{html.escape(film.name)}</h2><ul class=scores>{bars}</ul>"
        f"{has}<p class=by>{by}</p><details><summary>what is written</summary>{changes}</details>"
        "</div></article>"
    )


def _change(plan: Plan, change: FileChange | ItemChange) -> str:
    if isinstance(change, ItemChange):
        kind = "labels" if plan.library.kind == "plex" else f"{plan.writes}s"
        return f"<p>{kind}: {html.escape(' · '.join(change.new))}</p>"
    new = change.sha256 is None
    where = "a new file" if new else f"at byte {change.at:,}"
    old = f"<del>{html.escape(change.replaces.strip())}</del>" if change.replaces.strip() else ""
    inserts = "\n".join(line for line in change.inserts.splitlines() if line.strip())
    text = html.escape(inserts if new else textwrap.dedent(inserts))
    return (
        f"<p><code>{html.escape(change.path)}</code>, {where}</p><pre>{old}<ins>{text}</ins></pre>"
    )


def _thumbnail(root: Path | None, film: PlannedFilm) -> str:
    """The poster, small; a frame of its size if it is not at hand."""
    if root is not None and film.poster:
        try:
            image = Image.fromarray(_THUMBNAIL.decode(read_file(root / film.poster)))
        except PosterError:
            pass
        else:
            image.thumbnail((_THUMBNAIL.width * 2, _THUMBNAIL.height * 2))
            file = io.BytesIO()
            image.save(file, "JPEG", quality=80)
            data = base64.b64encode(file.getvalue()).decode()
            return f'<img alt="" loading=lazy src="data:image/jpeg;base64,{data}">'
    return "<div class=frame></div>"


_LEFT = """<section><h2>{count} films are left alone</h2><ul class=reasons>{reasons}</ul>
<details><summary>which ones</summary><div class=wide><table>
<thead><tr><th>film</th><th>where</th><th>why</th></tr></thead><tbody>{rows}</tbody></table></div>
</details></section>"""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --back: #fff; --text: #1f2328; --soft: #59636e;
  --line: #d1d9e0; --card: #f6f8fa; --good: #1a7f37; --new: #dafbe1; --old: #ffebe9; }}
@media (prefers-color-scheme: dark) {{ :root {{ --back: #0d1117; --text: #f0f6fc; --soft: #9198a1;
  --line: #3d444d; --card: #151b23; --good: #3fb950; --new: #12261e; --old: #25171c; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 1200px; padding: 24px 20px 64px; background: var(--back);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ margin: 0; font-size: 1.7rem; line-height: 1.25; }}
h2 {{ margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }}
section h2 {{ margin-top: 40px; font-size: 1.3rem; }}
p {{ margin: 6px 0; }}
ul {{ list-style: none; margin: 0; padding: 0; }}
.facts, .has, .by {{ color: var(--soft); overflow-wrap: anywhere; }}
.has, .by {{ font-size: .85rem; }}
.counts {{ display: flex; flex-wrap: wrap; gap: 6px; margin: 16px 0 24px; }}
.counts li {{ border: 1px solid var(--line); border-radius: 99px; padding: 2px 12px;
  font-size: .9rem; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr));
  gap: 12px; align-items: start; }}
article {{ display: flex; gap: 14px; min-width: 0; padding: 12px; border-radius: 8px;
  border: 1px solid var(--line); background: var(--card); }}
article > div:last-child {{ flex: 1; min-width: 0; }}
article > img, .frame {{ flex: none; width: 80px; height: 120px; border-radius: 4px;
  object-fit: contain; background: var(--line); }}
.scores li {{ display: grid; grid-template-columns: 7.5em 1fr 3em; gap: 8px; align-items: center;
  font-size: .9rem; }}
.scores span {{ overflow: hidden; text-overflow: ellipsis; }}
.scores output {{ text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }}
meter {{ width: 100%; height: 8px; border: 0; border-radius: 4px; background: var(--line); }}
meter::-webkit-meter-bar {{ height: 8px; border: 0; border-radius: 4px; background: var(--line); }}
meter::-webkit-meter-optimum-value {{ background: var(--good); border-radius: 4px; }}
meter::-moz-meter-bar {{ background: var(--good); }}
summary {{ cursor: pointer; color: var(--soft); font-size: .85rem; }}
details p, details code {{ font-size: .8rem; overflow-wrap: anywhere; }}
pre {{ margin: 4px 0; padding: 8px; overflow-x: auto; font-size: .8rem; border-radius: 4px;
  border: 1px solid var(--line); }}
ins {{ background: var(--new); text-decoration: none; }}
del {{ background: var(--old); }}
.reasons {{ margin: 8px 0; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-size: .85rem; }}
th, td {{ padding: 6px 10px; text-align: left; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; vertical-align: top; }}
</style></head><body>
<header><h1>{title}</h1>
<p class=facts>{where}</p>
<p class=facts>Planned {made} by the model {model} ({fingerprint}). At least {precision} of the
{what} are right. Nothing is written until the plan is applied.</p>
{genres}</header>
<main>{films}</main>
{left}
</body></html>
"""
