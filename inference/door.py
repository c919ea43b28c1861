"""`pmfer.score`: one call for a video, a picture, a folder of pictures, or many of these.

`pmfer/__init__.py` makes it public; docs/python.md shows it in use.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import polars as pl
from PIL import Image

from inference.faces import Picture
from inference.options import CENTERFACE, ScoringOptions
from inference.prefetch import in_order
from inference.score import Scorer
from pmfer.bundle import DEFAULT_BUNDLE, load_bundle
from pmfer.errors import ConfigurationError, QuarantineReason, VideoError
from pmfer.frame_row import readable
from pmfer.picture_file import (
    PICTURE_SUFFIXES,
    READ_ERRORS,
    Unreadable,
    pictures_in,
    read_error,
    upright_picture,
)

ARRAY_NAME = "picture"  # session_id of a picture given as an array
AT_ONCE = 2  # sources in progress: while the model runs on one video's faces, the next one is being decoded
log = logging.getLogger("pmfer.inference")

Source = str | Path | Picture


# A str is also an iterable of str. The first signature takes it, as the code does at run time.
@overload
def score(  # type: ignore[overload-overlap]
    source: Source,
    *,
    bundle: str | Path = ...,
    detector: str = ...,
    fps: float | None = ...,
    every_frame: bool = ...,
    int8: bool | None = ...,
) -> pl.DataFrame: ...


@overload
def score(
    source: Iterable[Source],
    *,
    bundle: str | Path = ...,
    detector: str = ...,
    fps: float | None = ...,
    every_frame: bool = ...,
    int8: bool | None = ...,
) -> Iterator[pl.DataFrame]: ...


def score(
    source: Source | Iterable[Source],
    *,
    bundle: str | Path = DEFAULT_BUNDLE,
    detector: str = CENTERFACE,
    fps: float | None = None,
    every_frame: bool = False,
    int8: bool | None = None,
) -> pl.DataFrame | Iterator[pl.DataFrame]:
    """Score a video or pictures. The options are those of the command `pmfer score`.

    Args:
        source: the path of a video, a picture or a folder of pictures; a picture as a uint8 array, [H, W, 3] RGB or
            [H, W] grey; or an iterable of these.
        bundle: name of a shipped bundle, or path of a bundle folder.
        detector: "centerface", or the path of a YuNet .onnx file.
        fps: frames sampled per second of video; None: five.
        every_frame: score every frame.
        int8: score with the bundle's int8 graph; None: if that is faster on this machine.

    Returns:
        For one source a polars data frame with a row per sampled frame, or per picture, and the columns described in
        docs/python.md. For an iterable of sources an iterator of such data frames, in order. A few sources are scored
        at the same time; work starts when the first result is requested.

    Raises:
        VideoError: a video or picture cannot be used; its `reason` says why. With many sources it is raised when that
            source's turn comes, and ends the iteration. Broken pictures of a folder are left out instead, and one line
            in the log `pmfer.inference` counts and names them, unless none of its pictures can be read.
        BundleError: the bundle cannot be used.
        ConfigurationError: options exclude each other or are out of range, or an array is not a picture.
    """
    if fps is not None and every_frame:
        raise ConfigurationError("give fps or every_frame, not both")
    chosen = {} if int8 is None else {"int8": int8}
    rate = None if every_frame else ScoringOptions.frames_per_second if fps is None else fps
    scorer = Scorer(load_bundle(bundle), ScoringOptions(frames_per_second=rate, detector=detector, **chosen))
    if isinstance(source, str | Path | np.ndarray):
        return _score(scorer, source)
    return in_order(partial(_score, scorer), source, AT_ONCE)


def _score(scorer: Scorer, source: Source) -> pl.DataFrame:
    if isinstance(source, np.ndarray):
        return readable(scorer.score_pictures([(ARRAY_NAME, _as_picture(source))]))
    path = Path(source)
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return readable(scorer.score_pictures(_read_pictures(path)))
    return scorer.score(path).table


def _as_picture(array: Picture) -> Picture:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise ConfigurationError(
            f"an array of {array.dtype} {array.shape} is not a picture; give [H, W, 3] RGB or [H, W] grey of uint8"
        )
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)


def _read_pictures(path: Path) -> Iterator[tuple[str, Picture]]:
    """Yield the picture, or the pictures of a folder in order of name, each with its file name.

    A file that cannot be read is left out and logged, or raises a VideoError if there is no other.
    """
    files = [path]
    if path.is_dir():
        files = pictures_in(path)
        if not files:
            kinds = ", ".join(sorted(PICTURE_SUFFIXES))
            raise VideoError(QuarantineReason.VIDEO_MISSING, f"{path}: a folder without pictures ({kinds})")
    broken: dict[Path, str] = {}
    for file in files:
        try:
            with Image.open(file) as opened:
                picture = np.asarray(upright_picture(opened, "RGB"))
        except READ_ERRORS as error:
            broken[file] = read_error(error)
        else:
            yield file.name, picture
    if not broken:
        return
    first, why = next(iter(broken.items()))
    if len(broken) == len(files):
        reason = QuarantineReason.UNREADABLE if first.exists() else QuarantineReason.VIDEO_MISSING
        raise VideoError(reason, f"{first}: cannot be read as a picture ({why})")
    log.warning("%s: %s", path, Unreadable(tuple(file.name for file in broken), len(files), why))
