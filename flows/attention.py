"""Show where a bundle looks for its phrases: one sheet per face, a mean over all faces, and figures."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flows.evaluation import BATCH, Cutter, Options, write_json
from inference.attention import PhraseAttention, draw_means, draw_sheet, mean_attention
from inference.faces import Floats, Picture
from inference.model import ExpressionModel
from pmfer.bundle import Bundle, load_bundle
from pmfer.datasets import PictureError, PictureSource, read_samples
from pmfer.datasets.manifest import SUFFIXES
from pmfer.errors import ConfigurationError
from pmfer.picture_file import pictures_in

log = logging.getLogger("pmfer.attention")
MEANS_FILE = "mean.png"
FIGURES_FILE = "attention.json"


@dataclass(frozen=True)
class AttentionRequest:
    """Which faces to look at, and for which phrases."""

    pictures: Sequence[Path]  # pictures, folders of pictures, manifests or single-file data sets
    out: Path
    columns: Sequence[str] = ()  # columns of the phrases to show; empty: all
    split: str | None = None  # of a data set; None: valid if it exists, else all
    cropped: bool | None = None  # see flows.evaluation.Options
    detector: str = "centerface"
    faces: int = 500  # at most this many, evenly spread over the pictures
    sheets: int = 12  # at most this many


@dataclass(frozen=True)
class AttentionFigures:
    """Where a bundle looked."""

    looks: Sequence[PhraseAttention]  # mean over the faces, per phrase
    faces: int  # number of faces


def run_attention(bundle_name: str, request: AttentionRequest) -> AttentionFigures:
    """Run the bundle on the pictures, draw its attention, and write `attention.json`.

    The file holds, among other figures, the share of each phrase's attention that lies inside its region.

    Raises:
        PmferError: the bundle, a picture set or the output folder cannot be used, or no face was found.
    """
    bundle = load_bundle(bundle_name)
    chosen = choose_phrases(bundle, request.columns)
    named = _spread(_sources(request), request.faces)
    names, crops = _faces(bundle, named, request)
    _make_folder(request.out)
    scores, maps = _attend(bundle, crops)
    scores, maps = scores[:, chosen], maps[:, chosen]
    phrases = [bundle.card.au_phrases[number] for number in chosen]
    for number in range(min(request.sheets, len(crops))):
        sheet = request.out / f"{names[number]}.png"
        draw_sheet(crops[number], scores[number], maps[number], phrases, sheet)
    looks = mean_attention(maps, phrases)
    draw_means(crops, looks, request.out / MEANS_FILE)
    write_json(request.out / FIGURES_FILE, _figures(bundle, looks, len(crops), len(named) - len(crops)))
    return AttentionFigures(looks, len(crops))


def choose_phrases(bundle: Bundle, columns: Sequence[str]) -> list[int]:
    """Output numbers of the phrases with these columns, in the order asked for; all of them if none is named.

    Raises:
        ConfigurationError: the bundle has no such phrase.
    """
    known = [phrase.column for phrase in bundle.card.au_phrases]
    for column in columns:
        if column not in known:
            raise ConfigurationError(f"phrase '{column}': not in this bundle; use {', '.join(known)}")
    return [known.index(column) for column in columns or known]


def _sources(request: AttentionRequest) -> list[tuple[str, PictureSource]]:
    """All the pictures, each with a unique name for its sheet."""
    found: list[tuple[str, PictureSource]] = []
    for path in request.pictures:
        if path.is_dir():
            inside = pictures_in(path)
            if not inside:
                raise ConfigurationError(f"{path}: no pictures in it; give pictures, a folder of them or a manifest")
            found += [(picture.stem, PictureSource(picture)) for picture in inside]
        elif path.suffix.lower() in SUFFIXES:
            samples = read_samples(path)
            samples = samples.in_split(request.split or ("valid" if "valid" in samples.splits else "all"))
            found += [(Path(name).stem, source) for name, source in zip(samples.names, samples.sources, strict=True)]
        else:
            found.append((path.stem, PictureSource(path)))
    taken = {Path(MEANS_FILE).stem: 1}
    unique = []
    for name, source in found:
        taken[name] = taken.get(name, 0) + 1
        unique.append((name if taken[name] == 1 else f"{name}-{taken[name]}", source))
    return unique


def _spread(named: list[tuple[str, PictureSource]], count: int) -> list[tuple[str, PictureSource]]:
    if len(named) <= count:
        return named
    return [named[number] for number in np.linspace(0, len(named) - 1, count).round().astype(int)]


def _faces(
    bundle: Bundle, named: list[tuple[str, PictureSource]], request: AttentionRequest
) -> tuple[list[str], list[Picture]]:
    """Names and crops of the pictures that show a face; each of the others is logged."""
    cutter = Cutter(bundle, Options(request.cropped, detector=request.detector))
    names, crops, missing = [], [], []
    for (name, _), crop in zip(named, cutter.crops(tuple(source for _, source in named)), strict=True):
        if isinstance(crop, PictureError) or crop is None:
            missing.append(f"{name}: {crop or 'no face found'}")
            continue
        names.append(name)
        crops.append(crop)
    if not crops:
        raise ConfigurationError(f"no face in {len(named)} pictures ({missing[0]}); give --cropped if they are crops")
    for line in missing:
        log.warning("%s; left out", line)
    return names, crops


def _attend(bundle: Bundle, crops: list[Picture]) -> tuple[Floats, Floats]:
    model = ExpressionModel(bundle, Options().threads)
    parts = [model.attention(np.stack(crops[begin : begin + BATCH])) for begin in range(0, len(crops), BATCH)]
    return np.concatenate([scores for scores, _ in parts]), np.concatenate([maps for _, maps in parts])


def _figures(bundle: Bundle, looks: Sequence[PhraseAttention], faces: int, left_out: int) -> dict[str, Any]:
    phrases = {
        look.phrase.column: {
            "phrase": look.phrase.phrase,
            "region": look.phrase.region,
            "share": look.share,
            "chance": look.chance,
            "centre_x": look.centre[0],
            "centre_y": look.centre[1],
        }
        for look in looks
    }
    return {"bundle": bundle.digest, "faces": faces, "left_out": left_out, "phrases": phrases}


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be made ({error.strerror}); choose another --out") from None
