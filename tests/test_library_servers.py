"""Jellyfin, Emby and Plex: the same plan, apply and undo, whatever the servers do meanwhile."""

import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyart.errors import LibraryError
from keyart.library.apply import apply_plan, undo_changes
from keyart.library.edit import As
from keyart.library.plan import ItemChange, Plan, read_plan
from keyart.library.servers import MediaServer as Client
from keyart.library.servers import ServerKind
from keyart.predictor import Predictor
from tests.commands import Commands
from tests.media_server import SECRET, Fault, MediaServer, jellyfin_item, plex_item, serving
from tests.promising import promising_model
from tests.tiny_library import paint

VARIABLES = {"jellyfin": "JELLYFIN_API_KEY", "emby": "EMBY_API_KEY", "plex": "PLEX_TOKEN"}
KINDS: tuple[ServerKind, ...] = ("jellyfin", "emby", "plex")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return promising_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return paint(tmp_path_factory.mktemp("red") / "red.png", "Red").read_bytes()


@pytest.fixture(autouse=True)
def keys_and_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, SECRET)
    monkeypatch.setattr("keyart.library.connection.SECONDS", 0.3)
    monkeypatch.setattr("keyart.library.connection._WAITS", (0.0, 0.0))


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, red: bytes) -> Iterator[MediaServer]:
    """Five films: three without genres, one with, one that has its genre and a tag."""
    if request.param == "plex":
        films = [plex_item(n, f"Film {n}") for n in range(1, 4)]
        films.append(plex_item(4, "Film 4", Genre=[{"tag": "Drama"}]))
        films.append(plex_item(5, "Film 5", Label=[{"tag": "mine"}]))
    else:
        films = [jellyfin_item(n, f"Film {n}") for n in range(1, 4)]
        films.append(jellyfin_item(4, "Film 4", Genres=["Drama"]))
        films.append(
            jellyfin_item(5, "Film 5", Tags=["mine"], TagItems=[{"Name": "mine", "Id": 3}])
        )
    with serving(request.param, *films, poster=red) as running:
        yield running


def plan_of(
    server: MediaServer,
    folder: Path,
    model: Predictor,
    writes: As | None = None,
    every: bool = False,
) -> Plan:
    kind: Any = server.kind
    writes = writes or ("tag" if kind == "plex" else "genre")
    with Client.open(kind, server.url) as client:
        plan = client.plan(model, writes=writes, every=every)
    return read_plan(plan.write(folder / "plan.jsonl").path or "")


def edited(server: MediaServer) -> dict[str, dict[str, Any]]:
    """What the server has, without what changes by itself."""
    own = ("Etag", "updatedAt", "GenreItems", "TagItems")
    plain = {
        key: {name: value for name, value in item.items() if name not in own}
        for key, item in copy.deepcopy(server.items).items()
    }
    for item in plain.values():
        if "ratingKey" in item:
            item["Label"] = [one["tag"] for one in item.get("Label", [])]
    return plain


def names(server: MediaServer, item: dict[str, Any]) -> list[str]:
    """The genres, or the labels, that keyart writes."""
    if server.kind == "plex":
        return [one["tag"] for one in item.get("Label", [])]
    found: list[str] = item["Genres"]
    return found


def test_films_are_given_genres_or_labels_and_get_back_what_they_had(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    before = edited(server)
    plan = plan_of(server, tmp_path, model)
    assert server.changes == 0
    assert [film.title for film in plan.changed] == ["Film 1", "Film 2", "Film 3", "Film 5"]
    assert plan.left == {"has genres": 1}
    assert plan.films[0].ids == {"imdb": "tt0000001"}
    outcome = apply_plan(plan, tmp_path / "journal")
    assert (outcome.done, outcome.whole) == (4, True)
    new = "keyart: Red" if server.kind == "plex" else "Red"
    for number, item in enumerate(server.items.values(), start=1):
        had = ["Drama"] if number == 4 and server.kind != "plex" else []
        had += ["mine"] if number == 5 and server.kind == "plex" else []
        assert sorted(names(server, item)) == sorted(had + ([new] if number != 4 else []))
    # Nothing else was emptied or changed by writing the whole item back.
    changed = "Label" if server.kind == "plex" else "Genres"
    after = edited(server)
    for key, item in before.items():
        assert {**after[key], changed: None} == {**item, changed: None}
    asked = server.changes
    again = apply_plan(plan, tmp_path / "journal")
    assert (again.done, again.already, server.changes) == (0, 4, asked)
    undone = undo_changes(tmp_path / "journal")
    assert (undone.done, undone.whole) == (4, True)
    assert edited(server) == before
    assert undo_changes(tmp_path / "journal").already == 4


def test_tags_are_written_for_all_films(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    plan = plan_of(server, tmp_path, model, "tag", every=True)
    assert len(plan.changed) == 5
    apply_plan(plan, tmp_path / "journal")
    name = {"plex": "Label"}.get(server.kind, "Tags")
    tags = [item[name] for item in server.items.values()]
    found = [sorted(one["tag"] if isinstance(one, dict) else one for one in some) for some in tags]
    assert found == [["keyart: Red"]] * 4 + [["keyart: Red", "mine"]]
    assert plan_of(server, tmp_path, model, "tag", every=True).changed == []


def test_an_item_that_somebody_changes_in_between_is_left_alone(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    plan = plan_of(server, tmp_path, model)
    one, two, *_ = server.items.values()
    title = "title" if server.kind == "plex" else "Name"
    one[title] = "Film 1, mended"
    reads = 0

    def meddle(method: str, path: str) -> None:
        # After apply has read it and before it reads it again to write it.
        nonlocal reads
        number = str(two.get("Id") or two.get("ratingKey"))
        if method == "GET" and path.endswith(f"/{number}"):
            reads += 1
            if reads == 2:
                two[title] = "Film 2, mended"

    server.fault = meddle
    outcome = apply_plan(plan, tmp_path / "journal")
    assert outcome.done == 2
    assert dict(outcome.conflicts) == dict.fromkeys(
        ["Film 1 (1979)", "Film 2 (1979)"], "was changed after the plan was made"
    )
    assert names(server, one) == names(server, two) == []
    assert (one[title], two[title]) == ("Film 1, mended", "Film 2, mended")


def test_undo_keeps_what_somebody_changed_since(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    apply_plan(plan_of(server, tmp_path, model), tmp_path / "journal")
    one, two, three, *_ = server.items.values()
    title = "title" if server.kind == "plex" else "Name"
    one[title] = "Film 1, mended"  # another field: it stays, and the genres go
    if server.kind == "plex":
        two["Label"].append({"tag": "mine"})
    else:
        two["Genres"] = ["Red", "Drama"]
    del server.items[str(three.get("Id") or three.get("ratingKey"))]
    outcome = undo_changes(tmp_path / "journal")
    assert outcome.done == 2
    reasons = sorted(reason for _, reason in outcome.conflicts)
    assert reasons[0] == "is not there any more"
    assert reasons[1].startswith("was changed since: it has ")
    assert one[title] == "Film 1, mended"
    assert names(server, one) == []
    assert len(names(server, two)) == 2


@pytest.mark.parametrize("seconds", [0.0, 0.6])
def test_a_server_that_cuts_or_times_out_in_the_middle_is_asked_again_later(
    server: MediaServer, tmp_path: Path, model: Predictor, seconds: float
) -> None:
    plan = plan_of(server, tmp_path, model)
    writes = 0

    def fail(method: str, path: str) -> None:
        nonlocal writes
        writes += method != "GET"
        if method != "GET" and writes == 2:
            raise Fault(seconds=seconds)

    server.after = fail  # it has made the change, but does not say so
    outcome = apply_plan(plan, tmp_path / "journal")
    assert outcome.done == 3
    ((_, reason),) = outcome.failed
    assert reason.startswith(f"{server.url}: ")
    assert ("took over 0.3 s" if seconds else "connection failed") in reason
    again = apply_plan(plan, tmp_path / "journal")
    assert (again.done, again.already, again.whole) == (0, 4, True)
    assert undo_changes(tmp_path / "journal").done == 4


def test_questions_are_repeated_and_writes_are_not(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    failed: set[tuple[str, str]] = set()

    def once(method: str, path: str) -> None:
        if (method, path) not in failed:
            failed.add((method, path))
            raise Fault(503)

    server.fault = once
    plan = plan_of(server, tmp_path, model)
    assert len(plan.changed) == 4
    outcome = apply_plan(plan, tmp_path / "journal")
    expected = 3 if server.kind == "plex" else 0  # Plex has one address for all of them
    assert outcome.done == expected
    assert all("answers 503; try again later" in reason for _, reason in outcome.failed)
    assert apply_plan(plan, tmp_path / "journal").whole


def test_a_server_that_is_gone_is_not_asked_for_each_film(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    plan = plan_of(server, tmp_path, model)

    def down(method: str, path: str) -> None:
        raise Fault()

    server.fault, asked = down, len(server.asked)
    outcome = apply_plan(plan, tmp_path / "journal")
    assert len(outcome.failed) == 4
    assert outcome.failed[-1][1] == f"{server.url}: does not answer"
    assert len(server.asked) - asked <= 5


def test_a_poster_that_cannot_be_had_leaves_the_film_alone(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    def fail(method: str, path: str) -> None:
        if "/Images/" in path or "/thumb/" in path:
            raise Fault(404)

    server.fault = fail
    plan = plan_of(server, tmp_path, model)
    assert plan.changed == []
    assert plan.left["nothing can be predicted"] == 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_key_stops_all_in_one_line(
    kind: ServerKind, tmp_path: Path, model: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kind) as server:
        monkeypatch.setenv(VARIABLES[kind], "another-key")
        with pytest.raises(LibraryError, match="refuses the key") as error:
            plan_of(server, tmp_path, model)
        assert VARIABLES[kind] in str(error.value)
        assert "another-key" not in str(error.value)
        monkeypatch.delenv(VARIABLES[kind])
        with pytest.raises(LibraryError, match=f"{VARIABLES[kind]}: not set"):
            plan_of(server, tmp_path, model)
        monkeypatch.setenv(VARIABLES[kind], SECRET)
        with pytest.raises(LibraryError, match="has no films"):
            plan_of(server, tmp_path, model)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nas:8096", "not an http or https address"),
        (f"http://me:{SECRET}@nas:8096", "an address with a password in it"),
        (f"http://nas:8096/?api_key={SECRET}", "leave out what follows it"),
        ("http://", "an address without a host"),
    ],
)
def test_an_address_is_checked_and_no_secret_in_it_shown(url: str, reason: str) -> None:
    with pytest.raises(LibraryError, match=reason) as error:
        Client.open("jellyfin", url)
    assert SECRET not in str(error.value)


def test_locked_items_are_left_alone(tmp_path: Path, model: Predictor, red: bytes) -> None:
    films = [
        jellyfin_item(1, "Film 1", LockData=True),
        jellyfin_item(2, "Film 2", LockedFields=["Cast", "Genres"]),
        jellyfin_item(3, "Film 3", LockedFields=["Tags"]),
        jellyfin_item(4, "Film 4", ImageTags={}),
    ]
    with serving("jellyfin", *films, poster=red) as server:
        plan = plan_of(server, tmp_path, model)
        assert [film.title for film in plan.changed] == ["Film 3"]
        assert plan.left == {"its genres are locked": 2, "nothing can be predicted": 1}


def test_lists_are_read_page_by_page(
    tmp_path: Path, model: Predictor, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, item in (("jellyfin", jellyfin_item), ("plex", plex_item)):
        monkeypatch.setattr(f"keyart.library.{kind}._PAGE", 3)
        films = [item(number, f"Film {number:02}") for number in range(1, 9)]
        with serving(kind, *films, poster=red) as server:
            plan = plan_of(server, tmp_path, model)
            assert [film.title for film in plan.films] == [f"Film {n:02}" for n in range(1, 9)]


def test_plex_takes_labels_alone(tmp_path: Path, model: Predictor) -> None:
    with serving("plex") as server, pytest.raises(LibraryError, match="add --as tag"):
        plan_of(server, tmp_path, model, "genre")


def test_ids_of_a_plan_reach_no_other_address(
    server: MediaServer, tmp_path: Path, model: Predictor
) -> None:
    plan = plan_of(server, tmp_path, model)
    change = plan.changed[0].changes[0]
    assert isinstance(change, ItemChange)
    text = (tmp_path / "plan.jsonl").read_text()
    (tmp_path / "bad.jsonl").write_text(text.replace(f'"{change.item}"', '"../../Users?a=b"'))
    asked = len(server.asked)
    outcome = apply_plan(tmp_path / "bad.jsonl", tmp_path / "journal")
    assert len(outcome.failed) == 1
    assert not [path for _, path in server.asked[asked:] if ".." in path or path == "/Users?a=b"]


def test_the_commands_keep_the_key_to_themselves(
    tmp_path: Path,
    model: Predictor,
    red: bytes,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = Commands(monkeypatch, capsys)

    def run(*words: object) -> str:
        with caplog.at_level(logging.DEBUG):
            done = command("library", *words)
        assert done.status == 0, done.err
        assert SECRET not in done.err
        return done.out

    plan, page, journal = tmp_path / "plan.jsonl", tmp_path / "plan.html", tmp_path / "journal"
    with serving("jellyfin", jellyfin_item(1, "Film 1"), poster=red) as server:
        shown = run("plan", server.url, "--server", "jellyfin", "--model", model.bundle.path,
                    "--out", plan, "--html", page, "--json")  # fmt: skip
        assert json.loads(shown)["library"] == {"kind": "jellyfin", "where": server.url}
        run("apply", plan, "--journal", journal)
        assert names(server, server.items[f"{1:032x}"]) == ["Red"]
    texts = [shown, caplog.text, *(path.read_text() for path in (plan, page, journal))]
    assert not [text for text in texts if SECRET in text]
