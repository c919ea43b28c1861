"""File names in the source: which are equal, which are hidden, and which are those of recordings.

Names are compared in Unicode's composed form (NFC). macOS writes the letter ü as two characters (NFD), Linux and
Windows as one, but to people both are the same name. A file is opened by the name that it has in the source.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

# Containers and raw streams that cameras, phones, camcorders and surveillance systems write and FFmpeg reads.
_VIDEO_KINDS = (
    "mp4 m4v mp4v mov qt 3gp 3gpp 3g2 f4v mkv webm avi divx flv wmv asf ogv ogm mxf nut dv rm rmvb mpg mpeg mpe mpv "
    "m1v m2v m2p vob mod tod ts mts m2ts m2t tp trp dav h264 264 h265 265 hevc mjpeg mjpg ivf y4m"
)
VIDEO_SUFFIXES = frozenset(f".{kind}" for kind in _VIDEO_KINDS.split())
SIDECAR_SUFFIX = ".json"
PLAUSIBLE_YEARS = range(1970, 2200)  # of recordings; dates near Python's first and last cannot be calculated with
HIDDEN_PREFIXES = (".", "~$")  # hidden files and unfinished copies; lock files of Office


def same_name(name: str) -> str:
    """The composed form of a name, for comparing."""
    return unicodedata.normalize("NFC", name)


def stem(name: str) -> str:
    """A name without its last suffix."""
    return PurePosixPath(name).stem


def suffix(name: str) -> str:
    """The last suffix of a name, in lower case, with its dot; empty if it has none."""
    return PurePosixPath(name).suffix.lower()


def is_video(name: str) -> bool:
    """Whether a name has the suffix of a video."""
    return suffix(name) in VIDEO_SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether to skip a file, because a system or program left it beside people's files."""
    return name.startswith(HIDDEN_PREFIXES)


def lookalikes(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of identifiers that differ only in upper and lower case, in order."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for identifier in ids:
        groups[same_name(identifier).casefold()].add(identifier)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
