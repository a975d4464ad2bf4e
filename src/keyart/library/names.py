"""What names in media libraries mean: videos, extras, art, parts of films, titles and years.

The rules are those of Kodi (kodi.wiki: NFO files, Artwork/Movies, Advancedsettings.xml) and of
Jellyfin (jellyfin.org/docs: Movies, Local .nfo metadata).
"""

import re
from dataclasses import dataclass

from keyart.printable import printable

VIDEOS = frozenset(
    (
        ".mkv", ".mp4", ".m4v", ".avi", ".mov", ".wmv", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts",
        ".webm", ".flv", ".ogm", ".ogv", ".divx", ".xvid", ".vob", ".iso", ".img", ".asf", ".rm",
        ".rmvb", ".3gp", ".strm", ".disc", ".mk3d", ".wtv", ".dvr-ms",
    )
)  # fmt: skip
NO_PICTURES = VIDEOS | {
    ".nfo", ".srt", ".sub", ".idx", ".ass", ".ssa", ".vtt", ".sup", ".txt", ".xml", ".json", ".mp3",
    ".flac", ".m4a", ".ac3", ".dts", ".mka", ".bif", ".edl", ".url", ".ifo", ".bup", ".sfv", ".md5",
    ".rar", ".zip", ".nzb", ".par2", ".torrent",
}  # fmt: skip
DISCS = {"video_ts": "VIDEO_TS.nfo", "bdmv": "index.nfo"}
"""Folders of a disc, inside of the film's folder, and the NFO that may be in them."""
LEGACY = ".tbn"  # a JPEG, as older Kodi called it

# Posters, in the order of preference. {} is the video's name, or the folder's.
OF_VIDEO = ("{}-poster", "{}-folder", "{}-cover", "{}-movie", "{}")
OF_FOLDER = ("poster", "folder", "cover", "movie", "default")
GENERIC = frozenset(OF_FOLDER)
_ART = (
    "fanart|backdrop|background|landscape|(clear)?logo|disc(art)?|cdart|banner|(clear|character)?art"
    "|thumb|keyart|animatedposter|animatedfanart|box|boxrear|spine|back|screenshot|wallpaper"
)
_IS_ART = re.compile(rf"(?:{_ART}|extra(?:fanart|thumb))[-_ ]?[0-9]*", re.IGNORECASE)
_OF_SEASON = re.compile(r"season(?:[-_ ]?(?:[0-9]+|all|specials))?(?:-.*)?", re.IGNORECASE)
_EXTRA_FOLDERS = frozenset(
    (
        "extras", "extra", "behind the scenes", "deleted scenes", "featurettes", "interviews",
        "scenes", "shorts", "trailers", "samples", "sample", "clips", "other", "theme-music",
        "backdrops", "subs", "subtitles", "proof", "screens",
    )
)  # fmt: skip
_NEVER_FOLDERS = frozenset(
    ("extrafanart", "extrathumbs", "@eadir", "#recycle", "$recycle.bin", "lost+found")
)
_IS_EXTRA = re.compile(
    r"(?:trailer|sample)[0-9]*|.+[-._ ](?:trailer|sample)[0-9]*|.+-(?:scene|clip|interview"
    r"|behindthescenes|deleted(?:scene)?|featurette|short|other|extra)[0-9]*|(?:theme|movie-trailer)",
    re.IGNORECASE,
)
_EPISODE = re.compile(r".*\bs[0-9]{1,3}[ ._-]?e[0-9]{1,4}|.*\b[0-9]{1,2}x[0-9]{2,3}\b", re.I)
_SEASON_FOLDER = re.compile(r"(?:season|staffel|saison|series)[ ._-]*[0-9]+|specials", re.I)
_PART = re.compile(r"(.+?)[ ._-]*\(?(?:cd|dvd|part|pt|disc|disk)[ ._-]?([0-9]+|[a-d])\)?", re.I)
_VERSION = re.compile(r" ?(?:- |\[|\().*|[ ._-]*(?:[0-9]{3,4}[pi]|4k|uhd).*", re.IGNORECASE)

_IN_BRACKETS = re.compile(r"(.*?\S)\s*[(\[](18[7-9][0-9]|19[0-9]{2}|20[0-9]{2})[)\]]")
_RELEASE = re.compile(
    r"(?i)[ ._\[(-]+(?:[0-9]{3,4}[pi]|4k|uhd|blu-?ray|b[dr]rip|dvd(?:rip|scr)?|web(?:-?dl|rip)?"
    r"|hdtv|hdrip|x26[45]|h\.?26[45]|hevc|xvid|divx|remux|extended|unrated|proper|repack|multi"
    r"|internal|limited)(?![a-z])"
)
_BARE_YEAR = re.compile(r"(.+?)[ ._]+(18[7-9][0-9]|19[0-9]{2}|20[0-9]{2})")
_NAMED_IDS = re.compile(r"(?i)[\[{(](imdb|tmdb)(?:id)?[-=: ](tt[0-9]{6,10}|[0-9]{1,9})[\]})]")
_NO_TITLE = re.compile(r"(?i)(?:vts[_ ].*|video_ts|movie|film|title[0-9]*|index)?")
_COUNTED = re.compile(r"[0-9]{4,5}")  # 00013.m2ts; but "1917 (2019)" is a title


@dataclass(frozen=True, slots=True)
class Named:
    """What a name says of a film. title: empty if it says none. ids: pairs of kind and id."""

    title: str
    year: int | None = None
    ids: tuple[tuple[str, str], ...] = ()


def parse_name(name: str) -> Named:
    """The title, year and ids in the name of a video, without its suffix, or of a folder."""
    ids = tuple((kind.lower(), value) for kind, value in _NAMED_IDS.findall(name))
    ids = tuple(pair for pair in ids if (pair[0] == "imdb") == pair[1].startswith("tt"))
    bare = _NAMED_IDS.sub("", name).strip()
    if printable(bare) != bare:  # broken text is no title
        return Named("", None, ids)
    year: int | None = None
    if found := _IN_BRACKETS.match(bare):
        title, year = found[1], int(found[2])
    elif release := _RELEASE.search(bare):  # Alien.1979.1080p.BluRay.x264-GROUP
        title = bare[: release.start()]
        # "Wonder Woman 1984" has its year in the title: only a release has one after it.
        if found := _BARE_YEAR.fullmatch(title):
            title, year = found[1], int(found[2])
    else:
        title = bare
    if " " not in title:
        title = re.sub("[._]+", " ", title)
    title = " ".join(title.split()).strip(" -")
    untitled = _NO_TITLE.fullmatch(title) or (year is None and _COUNTED.fullmatch(title))
    return Named("" if untitled else title, year, ids)


def split_suffix(name: str) -> tuple[str, str]:
    """A file's name without its suffix, and the suffix in lower case."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, f".{suffix.casefold()}") if stem and dot else (name, "")


def is_art(stem: str) -> bool:
    """Whether a picture of this name is fan art, a logo, a disc and the like."""
    return _IS_ART.fullmatch(stem) is not None


def art_of(stem: str) -> str | None:
    """Whose art a picture is: 'Alien' for 'Alien-fanart1'; None if its name is another."""
    before, dash, kind = stem.rpartition("-")
    if dash and kind.isdecimal():  # Alien-fanart-2
        before, dash, kind = before.rpartition("-")
    return before if dash and before and (is_art(kind) or kind.casefold() in GENERIC) else None


def of_season(stem: str) -> bool:
    """Whether a picture is a season's, as season01-poster."""
    return _OF_SEASON.fullmatch(stem) is not None


def is_extra(stem: str) -> bool:
    """Whether a video is a trailer, a sample, an interview and the like."""
    return _IS_EXTRA.fullmatch(stem) is not None


def is_episode(stem: str) -> bool:
    """Whether a video is an episode of a series."""
    return _EPISODE.match(stem) is not None


def is_season_folder(name: str) -> bool:
    """Whether a folder is a season's."""
    return _SEASON_FOLDER.fullmatch(name) is not None


def is_never_films(folder: str) -> bool:
    """Whether a folder never has films or posters: of extra fan art, of the system."""
    name = folder.casefold()
    return name in _NEVER_FOLDERS or name.endswith(".trickplay")


def is_extras(folder: str) -> bool:
    """Whether a folder inside of a film's folder has extras."""
    return folder.casefold() in _EXTRA_FOLDERS


def part_of(stem: str) -> str | None:
    """The name of the film of which a video is a part, as 'Ben-Hur' for 'Ben-Hur-cd1'; or None."""
    found = _PART.fullmatch(stem)
    return found[1].rstrip(" ._-(") if found else None


def is_version(stem: str, folder: str) -> bool:
    """Whether a video is one of several versions of the film that the folder is named after."""
    if not stem.casefold().startswith(folder.casefold()):
        return False
    rest = stem[len(folder) :]
    return not rest or _VERSION.fullmatch(rest) is not None
