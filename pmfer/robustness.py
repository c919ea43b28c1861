"""Measure how robust a bundle is against bad pictures: corruptions of face crops, and the table of `pmfer robustness`.

The corruptions are a fixed list of what bedside cameras do to a face. They change the upright, framed crops that the
bundle takes, but not their labels. Training does not use them; its augmentations are random (pmfer/augment.py).

A row of the table is one corruption, or one kind of cover from pmfer/cover_kinds.py. For covers the table also says how
many the bundle notices, by the limits on its card and by the rule that inference applies.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.metrics import roc_auc_score

from pmfer.brush import Floats
from pmfer.bundle import Bundle, BundleCard
from pmfer.cover_kinds import HELD_OUT, TRAINED
from pmfer.covers import draw_cover, visibility
from pmfer.datasets import Faces, strict_label
from pmfer.evaluate import run_graph
from pmfer.metrics import accuracy, expected_calibration_error, macro_recall

Images = npt.NDArray[np.uint8]
Rng = np.random.Generator
Corruption = Callable[[Image.Image, Rng], Image.Image]
CLEAN = "clean"
HIDES = 1 / 3  # a cover that hides at least this share of a region should be noticed


def _noise(picture: Image.Image, rng: Rng, deviation: float) -> Image.Image:
    values = np.asarray(picture, np.float32) + rng.normal(0, deviation, (picture.height, picture.width))
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _small(picture: Image.Image, rng: Rng, side_px: int) -> Image.Image:
    small = picture.resize((side_px, side_px), Image.Resampling.LANCZOS)
    return small.resize(picture.size, Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image, rng: Rng, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("L")


def _bright(picture: Image.Image, rng: Rng, factor: float) -> Image.Image:
    return picture.point([min(255, round(level * factor)) for level in range(256)])


def _rolled(picture: Image.Image, rng: Rng, degrees: float) -> Image.Image:
    """Turn the picture in a random direction; the corners are filled by repeating the edge."""
    side = picture.width
    padded = Image.fromarray(np.pad(np.asarray(picture), side // 2, mode="edge"))
    turned = padded.rotate(degrees * rng.choice((-1, 1)), Image.Resampling.BICUBIC)
    first = side // 2
    return turned.crop((first, first, first + side, first + side))


CORRUPTIONS: dict[str, Corruption] = {
    "roll 15 degrees": partial(_rolled, degrees=15),
    "roll 30 degrees": partial(_rolled, degrees=30),
    "noise, sd 10": partial(_noise, deviation=10),
    "noise, sd 20": partial(_noise, deviation=20),
    "24 px": partial(_small, side_px=24),
    "16 px": partial(_small, side_px=16),
    "JPEG, quality 20": partial(_jpeg, quality=20),
    "half as bright": partial(_bright, factor=0.5),
    "1.6 times as bright": partial(_bright, factor=1.6),
}


def corrupt(images: Images, name: str, seed: int = 0) -> Images:
    """Apply one corruption of CORRUPTIONS to grey crops uint8 [N, S, S]; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    change = CORRUPTIONS[name]
    return np.stack([np.asarray(change(Image.fromarray(image), rng)) for image in images])


def corrupt_at_random(images: Images, seed: int = 0) -> Images:
    """Apply a randomly chosen corruption to each crop of uint8 [N, S, S]."""
    rng = np.random.default_rng(seed)
    changes = list(CORRUPTIONS.values())
    drawn = rng.integers(len(changes), size=len(images))
    return np.stack(
        [np.asarray(changes[k](Image.fromarray(image), rng)) for image, k in zip(images, drawn, strict=True)]
    )


def cover(images: Images, placed: Floats, kind: str) -> tuple[Images, Floats]:
    """Draw one cover of `kind` onto each grey crop; every call draws the same covers.

    Args:
        images: the crops, uint8 [N, S, S].
        placed: positions of the points of the face mesh, float32 [N, 468, 2], fractions of the side.
        kind: a key of cover_kinds.TRAINED or HELD_OUT.

    Returns:
        The crops uint8 [N, S, S], and the visible share of each region [N, R], 0..1.
    """
    rng = np.random.default_rng(0)
    covered, visible = [], []
    for image, points in zip(images, placed, strict=True):
        face = image.astype(np.float32) / 255
        drawn = draw_cover(kind, face, points, rng)
        covered.append(face + drawn.alpha * (drawn.texture - face))
        visible.append(visibility(drawn, points))
    return np.asarray((np.stack(covered) * 255).round(), np.uint8), np.stack(visible)


@dataclass(frozen=True)
class Row:
    """One line of the table, shares in 0..1; None if the bundle or the faces do not allow it to be measured."""

    name: str
    accuracy: float | None  # strict majority
    recall_mean: float | None  # mean over the expressions
    calibration_error: float | None
    refused: float | None = None  # share of faces without an expression, because too much is covered
    flagged: float | None = None  # share of faces with a region that counts as covered
    flagged_of_hiding: float | None = None  # the same among faces of which a region is hidden by at least HIDES
    auroc: float | None = None  # of covered against clean faces, by the least visible region


def measure_robustness(bundle: Bundle, faces: Faces, placed: Floats | None = None, *, int8: bool = False) -> list[Row]:
    """Measure the rows of the table for a bundle.

    Args:
        bundle: verified bundle of grey faces.
        faces: crops with votes.
        placed: positions of the points of the face mesh, float32 [N, 468, 2], fractions of the side (FaceShapes);
            None: leave out the covers.
        int8: run the bundle's int8 graph, if it has one.
    """
    labels = strict_label(faces.votes)
    card = bundle.card
    clean = run_graph(bundle, faces.images, int8=int8)
    rows = [_row(CLEAN, clean, labels, card)]
    for name in CORRUPTIONS:
        rows.append(_row(name, run_graph(bundle, corrupt(faces.images, name), int8=int8), labels, card))
    if placed is None:
        return rows
    for kind in (*HELD_OUT, *TRAINED):
        covered, visible = cover(faces.images, placed, kind)
        scores = run_graph(bundle, covered, int8=int8)
        row = _row(f"{kind} (not trained)" if kind in HELD_OUT else kind, scores, labels, card)
        rows.append(_with_cover_figures(row, scores, clean, visible, card))
    return rows


def least_visible(scores: Mapping[str, Floats]) -> Floats | None:
    """Visible share of the most hidden region of each face, [N] in 0..1; None if the bundle does not predict it."""
    return scores["visibility"].min(1) if "visibility" in scores else None


def _row(name: str, scores: Mapping[str, Floats], labels: npt.NDArray[np.int64], card: BundleCard) -> Row:
    probabilities = scores["expression"]
    row = Row(
        name,
        accuracy(probabilities, labels),
        macro_recall(probabilities, labels),
        expected_calibration_error(probabilities, labels),
    )
    if not card.visible_from:
        return row
    covered, refused = card.covered(scores["visibility"])
    return replace(row, refused=float(refused.mean()), flagged=float(covered.any(1).mean()))


def _with_cover_figures(
    row: Row, scores: Mapping[str, Floats], clean: Mapping[str, Floats], truth: Floats, card: BundleCard
) -> Row:
    """The row with the figures that need faces with a known cover; truth: visible share of each region, [N, R]."""
    covered_visible, clean_visible = least_visible(scores), least_visible(clean)
    if covered_visible is None or clean_visible is None:
        return row
    is_clean = np.repeat([0, 1], [len(covered_visible), len(clean_visible)])
    area = roc_auc_score(is_clean, np.concatenate([covered_visible, clean_visible]))
    hiding = truth.min(1) <= 1 - HIDES
    row = replace(row, auroc=float(area))
    if not card.visible_from or not hiding.any():
        return row
    return replace(row, flagged_of_hiding=float(card.covered(scores["visibility"])[0][hiding].any(1).mean()))


def render_robustness(rows: list[Row]) -> str:
    """The table in Markdown, with shares in percent."""
    lines = [
        "| faces | strict accuracy | mean recall | calibration error | refused | flagged "
        "| flagged of those that hide a third of a region | AUROC |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        shares = [row.accuracy, row.recall_mean, row.calibration_error, row.refused, row.flagged, row.flagged_of_hiding]
        cells = ["-" if share is None else f"{share:.1%}" for share in shares]
        cells.append("-" if row.auroc is None else f"{row.auroc:.3f}")
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
