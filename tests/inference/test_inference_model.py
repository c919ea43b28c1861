"""Covered parts have no scores: a phrase if its region is covered, an expression if too much is covered."""

from dataclasses import replace

import numpy as np
import pytest

from inference.model import remove_covered
from pmfer.bundle import AuPhrase, Bundle
from pmfer.facs import ACTION_UNITS, AU_BY_NUMBER, Region, is_refused

LIMITS = dict.fromkeys((region.value for region in Region), 0.6)


@pytest.mark.parametrize(
    ("covered", "refused"),
    [
        ((), False),
        (("eye",), False),  # dark glasses
        (("brow", "eye"), False),  # hair, a compress
        (("nose", "mouth", "jaw"), True),  # a surgical mask
        (("mouth",), True),  # a hand over the mouth
        (("brow", "eye", "cheek"), True),
    ],
)
def test_without_the_mouth_or_half_of_the_face_no_expression_is_told(covered: tuple[str, ...], refused: bool) -> None:
    assert is_refused(covered) == refused


def test_a_phrase_goes_with_its_region_and_all_go_with_the_face(bundle: Bundle) -> None:
    card = replace(bundle.card, calibration={"visible_from": LIMITS})
    columns = len(bundle.score_columns)
    visible = np.full((3, len(Region)), 0.95, np.float32)
    visible[1, list(Region).index(Region.BROW)] = 0.2
    visible[2, list(Region).index(Region.MOUTH)] = 0.1
    scores, occlusion, refused = remove_covered(card, np.full((3, columns), 0.5, np.float32), visible)
    assert refused.tolist() == [False, False, True]
    assert not np.isnan(scores[0]).any()
    gone = {bundle.score_columns[place] for place in np.flatnonzero(np.isnan(scores[1]))}
    assert gone == {unit.column for unit in ACTION_UNITS if unit.region is Region.BROW} >= {"au04"}
    assert np.isnan(scores[2]).all()
    assert occlusion == pytest.approx([0.05, (0.05 * 5 + 0.8) / 6, (0.05 * 5 + 0.9) / 6], abs=1e-6)


def test_a_phrase_of_no_region_stays_until_the_face_is_refused(bundle: Bundle) -> None:
    own = AuPhrase(None, "own", None, "a face of one's own", False)
    brow = AU_BY_NUMBER[4]
    phrases = (own, AuPhrase(4, brow.column, brow.region.value, brow.phrase, True))
    card = replace(bundle.card, calibration={"visible_from": LIMITS}, expressions=("neutral",), au_phrases=phrases)
    visible = np.full((1, len(Region)), 0.95, np.float32)
    visible[0, list(Region).index(Region.BROW)] = 0.2
    scores, _, _ = remove_covered(card, np.full((1, 3), 0.5, np.float32), visible)
    assert np.isnan(scores[0]).tolist() == [False, False, True]
