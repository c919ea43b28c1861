"""What a synthetic person, their room and their camera look like; everything that does not move."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Colour = tuple[float, float, float]  # linear red, green and blue reflectance, 0..1


class HairStyle(StrEnum):
    """How the hair frames the face."""

    BALD = "bald"
    RECEDING = "receding"
    SHORT = "short"
    FRINGE = "fringe"
    BOB = "bob"
    LONG = "long"
    TIED = "tied"

    @property
    def hangs(self) -> bool:
        """Whether hair falls beside and behind the face."""
        return self in (HairStyle.BOB, HairStyle.LONG)


class Beard(StrEnum):
    """Hair on the lower face."""

    NONE = "none"
    STUBBLE = "stubble"
    MOUSTACHE = "moustache"
    FULL = "full"


@dataclass(frozen=True)
class Shape:
    """Proportions of the head at rest, in cm unless said otherwise."""

    half_width: float  # of the face at the cheekbones
    jaw: float  # width of the jaw, share of the face's width
    chin_y: float  # lowest point of the chin
    hairline_y: float  # where the forehead ends (negative: above the eyes)
    eye_x: float  # half the distance between the pupils
    eye_size: float  # factor on the eye's opening
    eye_tilt: float  # how much higher the outer corner is than the inner one
    hooding: float  # 0..1, how much the fold hangs over the upper lid
    brow_y: float  # middle of the brow
    brow_weight: float  # thickness of the brow
    brow_arch: float  # how much the brow's peak rises over its ends
    nose_length: float  # eye line to the base of the nose
    nose_width: float  # factor
    nose_height: float  # factor
    mouth_y: float  # line between the lips
    mouth_half_width: float  # middle to corner
    lip_fullness: float  # factor
    cheek: float  # 0..1, fullness of the cheeks


@dataclass(frozen=True)
class Skin:
    """Colour and surface of the skin."""

    colour: Colour
    lip_redness: float  # 0..1, how far the lips differ from the skin
    lines: float  # 0..1, how lined the resting face is, and how deep its moving folds are
    spots: float  # 0..1, blotches and age spots
    shine: float  # 0..1, gloss


@dataclass(frozen=True)
class Hair:
    """Hair of head, brows and beard."""

    style: HairStyle
    colour: Colour
    brow_colour: Colour
    beard: Beard
    parting: float  # cm right of the middle


@dataclass(frozen=True)
class Light:
    """One soft lamp and the ambient light."""

    azimuth_deg: float  # from the viewer's right (positive) or left
    elevation_deg: float  # above the eyes
    ambient: float  # 0..1, the share of light without direction


@dataclass(frozen=True)
class Camera:
    """What the camera does to the picture."""

    exposure: float  # factor on the light
    blur_px: float  # standard deviation of the blur in the finished frame
    noise: float  # standard deviation of the sensor's noise, grey levels of 255


@dataclass(frozen=True)
class Room:
    """What is around the head."""

    wall: Colour
    clothing: Colour
    pillow: bool  # the head rests on a pillow


@dataclass(frozen=True)
class Appearance:
    """One person in front of one camera. `seed` fixes all other details: every blotch, strand and fold."""

    seed: int
    shape: Shape
    skin: Skin
    hair: Hair
    light: Light
    camera: Camera
    room: Room
    iris: Colour
    glasses: bool


_SKINS: tuple[Colour, ...] = (
    (0.72, 0.47, 0.36),
    (0.66, 0.42, 0.31),
    (0.58, 0.36, 0.25),
    (0.46, 0.27, 0.18),
    (0.33, 0.185, 0.12),
    (0.20, 0.11, 0.07),
)
_HAIRS: tuple[Colour, ...] = (
    (0.012, 0.010, 0.009),
    (0.035, 0.022, 0.015),
    (0.09, 0.05, 0.028),
    (0.30, 0.19, 0.09),
    (0.20, 0.07, 0.03),
)
_GREYS: tuple[Colour, ...] = ((0.16, 0.16, 0.16), (0.33, 0.33, 0.33), (0.58, 0.57, 0.55))
_IRISES: tuple[Colour, ...] = ((0.035, 0.018, 0.010), (0.07, 0.04, 0.02), (0.10, 0.12, 0.07), (0.12, 0.16, 0.20))
_FEMALE_STYLES = (HairStyle.BOB, HairStyle.LONG, HairStyle.TIED, HairStyle.FRINGE, HairStyle.SHORT)
_YOUNG_MALE_STYLES = (HairStyle.SHORT, HairStyle.SHORT, HairStyle.FRINGE, HairStyle.RECEDING)
_OLD_MALE_STYLES = (HairStyle.SHORT, HairStyle.RECEDING, HairStyle.BALD)


def sample_appearance(seed: int, *, age: float | None = None, female: bool | None = None) -> Appearance:
    """Draw a person, a room and a camera at random.

    Args:
        seed: The same seed always gives the same person.
        age: Years, 18 to 95; drawn if not given.
        female: Whether the face should look female; drawn if not given.
    """
    rng = np.random.default_rng(seed)
    years = float(rng.uniform(18, 95)) if age is None else age
    woman = bool(rng.random() < 0.5) if female is None else female
    old = float(np.clip((years - 30) / 55, 0, 1))
    hair = _sample_hair(rng, woman, old)
    return Appearance(
        seed=seed,
        shape=_sample_shape(rng, woman, old),
        skin=_sample_skin(rng, woman, old),
        hair=hair,
        light=Light(
            azimuth_deg=float(rng.uniform(-55, 55)),
            elevation_deg=float(rng.uniform(15, 55)),
            ambient=float(rng.uniform(0.28, 0.55)),
        ),
        camera=Camera(
            exposure=float(rng.uniform(0.95, 1.35)), blur_px=float(rng.uniform(0, 0.7)), noise=float(rng.uniform(1, 4))
        ),
        room=Room(wall=_grey(rng, 0.05, 0.6), clothing=_grey(rng, 0.03, 0.7), pillow=bool(rng.random() < 0.35)),
        iris=_IRISES[int(rng.integers(len(_IRISES)))],
        glasses=bool(rng.random() < 0.12 + 0.15 * old),
    )


def _sample_shape(rng: np.random.Generator, woman: bool, old: float) -> Shape:
    def about(mean: float, deviation: float) -> float:
        return float(mean + deviation * np.clip(rng.standard_normal(), -2, 2))

    return Shape(
        half_width=about(6.7 if woman else 6.95, 0.25),
        jaw=about(0.835 if woman else 0.885, 0.03) + 0.02 * old,
        chin_y=about(10.5 if woman else 11.1, 0.35),
        hairline_y=about(-6.6, 0.4),
        eye_x=about(3.1, 0.1),
        eye_size=about(1.08 if woman else 0.98, 0.06) - 0.08 * old,
        eye_tilt=about(0.18, 0.1) - 0.15 * old,
        hooding=float(np.clip(about(0.25, 0.2) + 0.35 * old, 0, 1)),
        brow_y=about(-2.25 if woman else -2.0, 0.15),
        brow_weight=about(0.5 if woman else 0.72, 0.09),
        brow_arch=about(0.42 if woman else 0.25, 0.1),
        nose_length=about(4.25, 0.2) + 0.2 * old,
        nose_width=about(0.95 if woman else 1.05, 0.08) + 0.05 * old,
        nose_height=about(1.0, 0.12),
        mouth_y=about(6.45 if woman else 6.7, 0.15) + 0.1 * old,
        mouth_half_width=about(2.45 if woman else 2.6, 0.13),
        lip_fullness=about(1.1 if woman else 0.95, 0.12) - 0.3 * old,
        cheek=float(np.clip(about(0.5, 0.25) - 0.15 * old, 0, 1)),
    )


def _sample_skin(rng: np.random.Generator, woman: bool, old: float) -> Skin:
    tone = float(rng.beta(1.2, 1.8)) * (len(_SKINS) - 1)
    k = min(int(tone), len(_SKINS) - 2)
    low, high = np.array(_SKINS[k]), np.array(_SKINS[k + 1])
    colour = low + (high - low) * (tone - k)
    return Skin(
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        lip_redness=float(rng.uniform(0.6, 1.0) if woman else rng.uniform(0.5, 0.8)),
        lines=float(np.clip(old + 0.12 * rng.standard_normal(), 0.05, 1)),
        spots=float(np.clip(0.2 + 0.6 * old + 0.15 * rng.standard_normal(), 0, 1)),
        shine=float(rng.uniform(0.1, 0.8)),
    )


def _sample_hair(rng: np.random.Generator, woman: bool, old: float) -> Hair:
    own = _HAIRS[int(rng.integers(len(_HAIRS)))]
    grey = rng.random() < 1.3 * old
    colour = _GREYS[int(rng.integers(len(_GREYS)))] if grey else own
    styles = _FEMALE_STYLES if woman else _OLD_MALE_STYLES if old > 0.4 else _YOUNG_MALE_STYLES
    style = styles[int(rng.integers(len(styles)))]
    beard = Beard.NONE if woman else (Beard.NONE, Beard.STUBBLE, Beard.MOUSTACHE, Beard.FULL)[int(rng.integers(4))]
    mix = 0.7 * np.array(own) + 0.3 * np.array(colour)
    return Hair(style, colour, (float(mix[0]), float(mix[1]), float(mix[2])), beard, float(rng.uniform(-3, 3)))


def _grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    """A muted colour: a grey between `low` and `high` with a slight tint."""
    tint = rng.uniform(low, high) * rng.uniform(0.85, 1.15, size=3)
    return float(tint[0]), float(tint[1]), float(tint[2])
