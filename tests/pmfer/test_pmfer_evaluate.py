"""Figures of a bundle on labelled pictures: unknown figures are null, and a missed face is no answer."""

import numpy as np
import pytest

from pmfer.datasets import Samples
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import label_votes
from pmfer.evaluate import measure, restrict_to, scored_activity
from pmfer.expressions import EXPRESSION_NAMES


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_answers_are_given_among_the_classes_of_the_set() -> None:
    probabilities = np.zeros((2, 8), np.float32)
    probabilities[0, [3, 7]], probabilities[1] = (0.4, 0.6), np.nan
    kept = restrict_to(probabilities, tuple(range(7)))
    assert kept[0, 3] == pytest.approx(1.0)
    assert np.isnan(kept[1]).all()
    assert restrict_to(probabilities, tuple(range(8))) is probabilities


def test_pain_related_activity_puts_phrases_together_as_pspi_does() -> None:
    scores = {f"au{unit:02d}": floats(unit / 100) for unit in (4, 6, 7, 9, 10, 43)}
    assert scored_activity(scores) is None
    calm = {"happiness": floats(0), "au12": floats(0)}
    assert scored_activity(scores | calm) == pytest.approx((0.04 + 0.07 + 0.10 + 0.10) / 4)  # AU 43 as far as AU 10
    assert scored_activity({"au04": floats(1)}) is None


def labelled(count: int, **columns: object) -> Samples:
    sources = tuple(PictureSource(b"") for _ in range(count))
    defaults = {"votes": np.zeros((count, 10), np.uint8), "splits": ("",) * count}
    names = tuple(str(row) for row in range(count))
    return Samples("made", names, sources, **(defaults | columns))  # type: ignore[arg-type]


def test_what_the_set_does_not_say_is_null_not_zero() -> None:
    figures = measure(np.full((3, 8), 1 / 8, np.float32), {"au12": floats(0, 0.5, 1)}, labelled(3))
    empty = [key for key, value in figures.items() if value is None]
    assert {"accuracy_strict", "accuracy_occlusion", "macro_f1", "ece", "confusion", "auroc_mean", "icc"} <= set(empty)
    assert figures["auroc"] == {}
    assert figures["n"] == 3


def test_one_label_per_face_is_both_protocols() -> None:
    probabilities = np.eye(8, dtype=np.float32)[[0, 1, 2, 2]]
    samples = labelled(4, votes=label_votes(np.array([0, 1, 2, -1])), subsets={"glasses": np.array([1, 0, 0, 1], bool)})
    figures = measure(probabilities, {}, samples)
    assert figures["n"] == 3
    assert figures["accuracy_strict"] == figures["accuracy_argmax"] == figures["accuracy_glasses"] == 1.0
    assert figures["accuracy_strict_dedup"] is None
    assert figures["recall"]["anger"] is None


def test_misses_lower_accuracy_and_are_named_by_expression() -> None:
    probabilities = np.eye(8, dtype=np.float32)[[1, 1]]
    probabilities[1] = np.nan
    figures = measure(probabilities, {"au12": floats(0.9, np.nan)}, labelled(2, votes=label_votes(np.array([1, 1]))))
    assert figures["accuracy_strict"] == 0.5
    assert figures["missed"][EXPRESSION_NAMES[1]] == 1
    assert figures["confusion"][1][1] == 1


def test_pain_is_mapped_by_other_subjects_and_by_sixteen_where_there_are_none() -> None:
    scores = {f"au{unit:02d}": floats(0, 0.5, 1, 0, 0.5, 1) for unit in (4, 6, 7, 9, 10, 43)} | {"au12": np.zeros(6)}
    pspi = floats(0, 8, 16, 0, 8, 16)
    sad = np.eye(8, dtype=np.float32)[[EXPRESSION_NAMES.index("sadness")] * 6]
    alone = measure(sad, scores, labelled(6, pspi=pspi))
    assert (alone["pain_scale"], alone["mae"]) == ("times_sixteen", pytest.approx(0))
    subjects = ("a", "a", "a", "b", "b", "b")
    half = measure(sad, scores, labelled(6, pspi=pspi / 2, subjects=subjects))
    assert half["pain_scale"] == "leave_one_subject_out"
    assert (half["pearson"], half["icc"], half["mae"]) == pytest.approx((1, 1, 0), abs=1e-5)


def test_pain_related_activity_is_told_by_expression_and_smiles_do_not_raise_it() -> None:
    labels = [EXPRESSION_NAMES.index(name) for name in ("neutral", "happiness", "sadness")]
    units = (4, 6, 7, 9, 10, 12, 43)
    cheeks = {f"au{unit:02d}": floats(0, 1, 1) if unit in (6, 7) else floats(0, 0, 0) for unit in units}
    figures = measure(np.eye(8, dtype=np.float32)[labels], cheeks, labelled(3, votes=label_votes(np.array(labels))))
    found = figures["pain_activity"]
    assert (found["neutral"], found["happiness"], found["sadness"], found["anger"]) == (0, 0, 0.25, None)
