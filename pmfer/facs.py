"""The Facial Action Coding System (FACS) as this product uses it: action units, their regions and their phrases.

Names follow Ekman, Friesen and Hager, *Facial Action Coding System* (2002). The phrases are ours: the paper (Ren et
al., IEEE T-ASE, doi 10.1109/TASE.2024.3464519) builds prompts from action units but does not publish their wording. No
phrase names an expression, because the rest of a prompt must not give a dropped phrase away. Standard library only.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Region(StrEnum):
    """Region of the face in which an action unit is visible."""

    BROW = "brow"
    EYE = "eye"
    CHEEK = "cheek"
    NOSE = "nose"
    MOUTH = "mouth"
    JAW = "jaw"


MOST_COVERED = 2  # if more regions are covered, or the mouth is, the expression cannot be told


def is_refused(covered: Collection[str]) -> bool:
    """Whether too much of a face is covered to tell its expression. `covered` holds values of `Region`."""
    return Region.MOUTH in covered or len(covered) > MOST_COVERED


# Position of each region on an upright crop that is framed like the training faces: (top, bottom, left, right) as
# fractions of its side, wide enough for turned heads and the shifts of training. In FERPlus the eyes are at 0.40, the
# tip of the nose at 0.60 and the mouth corners at 0.75 of the height (medians of CenterFace's landmarks on 133 faces).
REGION_BOXES: dict[Region, tuple[float, float, float, float]] = {
    Region.BROW: (0.10, 0.45, 0.05, 0.95),
    Region.EYE: (0.22, 0.55, 0.05, 0.95),
    Region.CHEEK: (0.30, 0.72, 0.05, 0.95),
    Region.NOSE: (0.28, 0.72, 0.20, 0.80),
    Region.MOUTH: (0.55, 1.00, 0.12, 0.88),
    Region.JAW: (0.60, 1.00, 0.12, 0.88),
}


@dataclass(frozen=True)
class ActionUnit:
    """One action unit and its wordings.

    `phrases[0]` is the canonical phrase, which is the one shown to people; the others are paraphrases for training.
    """

    number: int
    name: str
    region: Region
    phrases: tuple[str, ...]

    @property
    def column(self) -> str:
        """Name of the score column, `au01` to `au43`."""
        return f"au{self.number:02d}"

    @property
    def phrase(self) -> str:
        """The canonical phrase."""
        return self.phrases[0]


@dataclass(frozen=True)
class NeutralPhrase:
    """A phrase for a face at rest. It describes no action unit and has no score column."""

    key: str
    region: Region
    phrases: tuple[str, ...]


ACTION_UNITS: tuple[ActionUnit, ...] = (
    ActionUnit(
        1,
        "inner brow raiser",
        Region.BROW,
        (
            "inner brows raised",
            "the inner ends of the eyebrows pulled up",
            "eyebrows lifted in the middle",
            "inner corners of the brows drawn upwards",
            "brows slanting up towards the nose",
        ),
    ),
    ActionUnit(
        2,
        "outer brow raiser",
        Region.BROW,
        (
            "outer brows raised",
            "the outer ends of the eyebrows pulled up",
            "eyebrows arched at the sides",
            "outer corners of the brows drawn upwards",
            "brows lifted towards the temples",
        ),
    ),
    ActionUnit(
        4,
        "brow lowerer",
        Region.BROW,
        (
            "brows lowered and drawn together",
            "eyebrows pulled down",
            "a furrow between the eyebrows",
            "brows knitted together",
            "eyebrows pressed low over the eyes",
        ),
    ),
    ActionUnit(
        5,
        "upper lid raiser",
        Region.EYE,
        (
            "upper eyelids raised",
            "eyes opened wide",
            "upper lids pulled up",
            "white showing above the iris",
            "widened eyes",
        ),
    ),
    ActionUnit(
        6,
        "cheek raiser",
        Region.CHEEK,
        (
            "cheeks raised",
            "cheeks pushed up under the eyes",
            "crinkles at the outer corners of the eyes",
            "lifted cheeks narrowing the eyes",
            "crow's feet beside the eyes",
        ),
    ),
    ActionUnit(
        7,
        "lid tightener",
        Region.EYE,
        (
            "eyelids tightened",
            "lower lids tensed",
            "narrowed eyes with tense lids",
            "squinting eyelids",
            "lower eyelids drawn up and tight",
        ),
    ),
    ActionUnit(
        9,
        "nose wrinkler",
        Region.NOSE,
        (
            "nose wrinkled",
            "wrinkles across the bridge of the nose",
            "the nose scrunched up",
            "skin beside the nose pulled upwards",
            "a crinkled nose",
        ),
    ),
    ActionUnit(
        10,
        "upper lip raiser",
        Region.MOUTH,
        (
            "upper lip raised",
            "the upper lip pulled straight up",
            "upper lip lifted towards the nose",
            "a deepened fold beside the nose with a lifted lip",
            "upper lip curled up",
        ),
    ),
    ActionUnit(
        12,
        "lip corner puller",
        Region.MOUTH,
        (
            "lip corners pulled up",
            "corners of the mouth drawn up and back",
            "mouth corners turned upwards",
            "lips stretched upwards at both ends",
            "the mouth curving up at its corners",
        ),
    ),
    ActionUnit(
        14,
        "dimpler",
        Region.MOUTH,
        (
            "a dimple at the lip corner",
            "mouth corner tightened inwards",
            "a lip corner pressed into the cheek",
            "one corner of the mouth tucked in",
            "a tight dimpled mouth corner",
        ),
    ),
    ActionUnit(
        15,
        "lip corner depressor",
        Region.MOUTH,
        (
            "lip corners pulled down",
            "corners of the mouth drawn downwards",
            "mouth corners turned down",
            "lips sagging at both ends",
            "the mouth curving down at its corners",
        ),
    ),
    ActionUnit(
        16,
        "lower lip depressor",
        Region.MOUTH,
        (
            "lower lip pulled down",
            "the lower lip drawn downwards",
            "lower teeth uncovered by a lowered lip",
            "bottom lip dragged down",
            "lower lip dropped and flattened",
        ),
    ),
    ActionUnit(
        17,
        "chin raiser",
        Region.JAW,
        (
            "chin raised",
            "chin pushed up and wrinkled",
            "the chin boss lifted with the lower lip",
            "a puckered chin",
            "lower lip pushed up by the chin",
        ),
    ),
    ActionUnit(
        20,
        "lip stretcher",
        Region.MOUTH,
        (
            "lips stretched sideways",
            "mouth pulled wide towards the ears",
            "lips drawn flat and wide",
            "mouth corners pulled straight back",
            "a horizontally stretched mouth",
        ),
    ),
    ActionUnit(
        23,
        "lip tightener",
        Region.MOUTH,
        (
            "lips tightened",
            "thin tense lips",
            "lips narrowed and firm",
            "the red of the lips rolled in",
            "a tightly drawn mouth",
        ),
    ),
    ActionUnit(
        24,
        "lip pressor",
        Region.MOUTH,
        (
            "lips pressed together",
            "the mouth squeezed shut",
            "upper and lower lip pushed against each other",
            "firmly closed lips",
            "lips clamped together",
        ),
    ),
    ActionUnit(
        25,
        "lips part",
        Region.MOUTH,
        (
            "lips parted",
            "a gap between the lips",
            "the lips slightly open",
            "teeth visible between the lips",
            "lips apart",
        ),
    ),
    ActionUnit(
        26,
        "jaw drop",
        Region.JAW,
        (
            "jaw dropped",
            "the lower jaw hanging open",
            "mouth open with a relaxed jaw",
            "a lowered jaw",
            "jaw fallen open",
        ),
    ),
    ActionUnit(
        27,
        "mouth stretch",
        Region.JAW,
        (
            "mouth stretched wide open",
            "mouth gaping",
            "the jaw pulled far down",
            "a mouth opened as far as it goes",
            "mouth stretched open vertically",
        ),
    ),
    ActionUnit(
        43,
        "eyes closed",
        Region.EYE,
        (
            "eyes closed",
            "both eyelids shut",
            "closed eyelids",
            "upper lids lowered over the eyes",
            "eyes shut",
        ),
    ),
)

NEUTRAL_PHRASES: tuple[NeutralPhrase, ...] = (
    NeutralPhrase(
        "relaxed_brows",
        Region.BROW,
        (
            "relaxed brows",
            "eyebrows at rest",
            "a smooth forehead",
            "level untroubled eyebrows",
            "brows in their resting place",
        ),
    ),
    NeutralPhrase(
        "relaxed_mouth",
        Region.MOUTH,
        (
            "a closed relaxed mouth",
            "lips resting together",
            "a mouth at rest",
            "lips closed without tension",
            "a still, level mouth",
        ),
    ),
)

AU_BY_NUMBER: dict[int, ActionUnit] = {unit.number: unit for unit in ACTION_UNITS}
AU_COLUMNS: tuple[str, ...] = tuple(unit.column for unit in ACTION_UNITS)
