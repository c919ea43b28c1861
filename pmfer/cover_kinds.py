"""How each kind of cover is drawn onto a face: what it hides of it, and for some kinds in which shades.

A plain kind draws its outline, and pmfer/covers.py fills it with some texture. A shaded one paints what tells the real
thing apart: the rim, the glare and the hose of a clear mask, fingers of the face's own brightness with shadows between
them, pleats, folds and hems. Kinds, shapes and shades are ours, drawn by eye.
"""

from collections.abc import Callable

import numpy as np

from pmfer.brush import CANVAS_PX, Brush, Dice, Face, Floats, Point, half_plane, level, patch, point

JAW_LINE = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
EYE_CORNERS = (33, 133, 263, 362)
EARS = ((-1.0, 234), (1.0, 454))  # side of the picture, point of the mesh
Painter = Callable[[Face, Brush, Dice], float | None]  # gives the opacity; None: as drawn


def _hand(face: Face, brush: Brush, dice: Dice) -> None:
    """A palm and two to four fingers, from any side, over any part of the face; often of the face's own brightness."""
    targets = (face.mouth, face.chin, face.nose, *face.eyes, face.at(50), face.at(280), face.at(9))
    goal = targets[dice.integers(len(targets))] + dice.normal(0, 0.2 * face.span, 2)
    angle = dice.uniform(0, 2 * np.pi)
    away, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width = face.span * dice.uniform(0.16, 0.28)
    skin, dim = face.level + dice.normal(0, 0.08), dice.uniform(0.45, 0.85)
    if dice.random() < 0.7:
        brush.begin(dim * skin)
    palm = point(goal + away * face.span * dice.uniform(0.5, 1.3))
    radius = face.span * dice.uniform(0.5, 0.8)
    brush.disc(palm, radius, dim * skin)
    brush.disc(palm, radius - 1.5, skin)
    for finger in range(dice.integers(2, 5)):
        tip = goal + side * (finger - 1.5) * width * dice.uniform(0.9, 1.15) - away * dice.uniform(0, 0.3) * face.span
        root = goal + side * (finger - 1.5) * width + away * face.span * dice.uniform(0.7, 1.1)
        brush.line([point(tip), point(root)], width, dim * skin)
        brush.line([point(tip), point(root)], width - 2, skin)
        lit = side * width * dice.uniform(-0.2, 0.2)
        brush.line([point(tip + lit), point(root + lit)], width * 0.35, skin * dice.uniform(1.0, 1.15))
        for share in (0.3, 0.6):  # creases of the joints
            joint = tip + share * (root - tip)
            brush.line([point(joint - side * width * 0.3), point(joint + side * width * 0.3)], 1, 0.85 * skin)


def _surgical_mask(face: Face, brush: Brush, dice: Dice) -> None:
    """From the bridge of the nose, or slipped below it, to under the chin, with pleats and loops to the ears."""
    ridge = face.points[6] + (face.nose - face.points[6]) * dice.uniform(0.1, 1.25)
    first = int(dice.integers(0, 3))
    jaw = face.points[list(JAW_LINE[first : len(JAW_LINE) - first])] + face.down * face.span * dice.uniform(0, 0.12)
    left = face.points[118] + face.down * dice.uniform(-0.1, 0.3) * face.span
    right = face.points[347] + face.down * dice.uniform(-0.1, 0.3) * face.span
    cloth = dice.uniform(0.2, 1.0)
    shaded = dice.random() < 0.6
    if shaded:
        brush.begin(cloth)
        for cheek, (_, ear) in zip((left, right), EARS, strict=True):
            brush.line([point(cheek), point(face.points[ear])], 1, dice.uniform(0.5, 1.0), 0.9)
    brush.polygon([point(p) for p in (*jaw, right, ridge, left)], cloth)
    if shaded:
        for share in np.arange(0.25, 0.9, dice.uniform(0.15, 0.3)):
            ends = [point(cheek + share * (corner - cheek)) for cheek, corner in ((left, jaw[3]), (right, jaw[-4]))]
            middle = point(ridge + share * (face.chin - ridge))
            brush.line([ends[0], middle, ends[1]], int(dice.integers(1, 4)), cloth - dice.uniform(0.05, 0.25))
        brush.line([point(left), point(ridge), point(right)], 2, cloth + dice.normal(0, 0.15))


def _oxygen_mask(face: Face, brush: Brush, dice: Dice) -> None:
    """A clear shell from the bridge of the nose to the chin, with straps and hose; the mouth shows through."""
    down_to_mouth = float((face.mouth - face.nose) @ face.down) / face.span
    top, bottom = -dice.uniform(0.2, 0.6), down_to_mouth + dice.uniform(0.35, 0.85)
    size, aside = dice.uniform(0.75, 1.15), dice.uniform(-0.08, 0.08)
    shares = np.linspace(0, 1, 13)
    half = size * np.interp(shares, [0, 0.08, 0.3, 0.62, 0.85, 1], [0.06, 0.27, 0.46, 0.65, 0.6, 0.29])

    def on_shell(share: float, across: float) -> Point:
        """Share of its height, and part of its half width there."""
        reach = float(np.interp(share, shares, half))
        return face.place(face.nose, aside + across * reach, top + share * (bottom - top))

    clear, shell = dice.uniform(0.2, 0.55), dice.uniform(0.3, 0.95)
    brush.begin(shell)
    for side, ear in EARS:
        strap = [on_shell(0.55, side), point(face.points[ear])]
        brush.line(strap, int(dice.integers(1, 4)), dice.uniform(0.3, 0.9), dice.uniform(0.6, 0.95))
    if dice.random() < 0.6:
        start, end = np.array(on_shell(0.9, 0)), np.array(on_shell(1.0, dice.normal(0, 0.8))) + face.down * face.span
        hose, width = dice.uniform(0.3, 0.9), face.span * dice.uniform(0.1, 0.22)
        brush.line([point(start), point(end)], width, hose, 0.9)
        for share in np.arange(0.1, 1, 0.12):  # its ribs
            rib = start + share * (end - start)
            ends = [point(rib + sign * 0.5 * width * face.across) for sign in (-1, 1)]
            brush.line(ends, 1, hose - 0.2, 0.9)
    for side, light in ((-1.0, dice.normal(0, 0.1)), (1.0, dice.normal(0, 0.1))):
        edge = [on_shell(share, side) for share in shares]
        brush.polygon([on_shell(0, 0), *edge, on_shell(1, 0)], shell + light, clear)
    rim = [*(on_shell(share, -1) for share in shares), *(on_shell(share, 1) for share in shares[::-1])]
    solid = min(0.95, clear + dice.uniform(0.1, 0.45))
    brush.line([*rim, rim[0]], int(dice.integers(1, 4)), shell + dice.normal(0.05, 0.3), solid)
    for _ in range(dice.integers(1, 4)):
        across, first = dice.uniform(-0.8, 0.8), dice.uniform(0.15, 0.6)
        glare = [on_shell(first + step, across) for step in (0.0, dice.uniform(0.05, 0.15), dice.uniform(0.15, 0.35))]
        brush.line(glare, int(dice.integers(1, 5)), dice.uniform(0.8, 1.0), dice.uniform(0.4, 0.9))
    if dice.random() < 0.7:
        valve, radius = on_shell(dice.uniform(0.65, 0.85), 0), face.span * dice.uniform(0.1, 0.22)
        tone = dice.uniform(0.2, 0.9)
        brush.disc(valve, radius, tone, 0.9)
        brush.disc(valve, 0.6 * radius, tone + dice.normal(0, 0.15), 0.9)
    if dice.random() < 0.5:
        for across in (-0.55, -0.4, 0.4, 0.55):
            for share in (0.6, 0.66):
                brush.disc(on_shell(share, across), 1, dice.uniform(0.0, 0.3), 0.7)
    if dice.random() < 0.5:
        brush.line([on_shell(0.1, -0.5), on_shell(0.1, 0.5)], 2, dice.uniform(0.3, 0.8), 0.95)


def _tube(face: Face, brush: Brush, dice: Dice) -> None:
    """One or two thin tubes from nose or mouth to a cheek and beyond, held by tape."""
    origin = (face.nose, face.mouth)[dice.integers(2)]
    tone, tape = dice.uniform(0.3, 1.0), dice.uniform(0.5, 1.0)
    if dice.random() < 0.6:
        brush.begin(tape)
    for side in ((-1.0, 1.0), (-1.0,), (1.0,))[dice.integers(3)]:
        middle = face.place(origin, side * dice.uniform(0.4, 0.7), dice.uniform(-0.1, 0.3))
        end = face.place(origin, side * dice.uniform(1.0, 1.6), dice.uniform(-0.5, 0.5))
        width = int(dice.integers(2, 7))
        brush.line([point(origin), middle, end], width, tone - 0.25)
        brush.line([point(origin), middle, end], width - 2, tone)
        if dice.random() < 0.5:
            brush.polygon(patch(middle, face.span * dice.uniform(0.12, 0.3), dice), tape)
    if dice.random() < 0.4:
        place = face.place(origin, 0, dice.uniform(-0.2, 0.2))
        brush.polygon(patch(place, face.span * dice.uniform(0.12, 0.35), dice), tape)


def _cannula(face: Face, brush: Brush, dice: Dice) -> None:
    """A thin clear tube below the nose and over both cheeks to the ears, with two prongs: it hides next to nothing."""
    tone, width, clear = dice.uniform(0.4, 1.0), int(dice.integers(1, 4)), dice.uniform(0.5, 0.95)
    brush.begin(tone)
    below = 0.12 + dice.uniform(-0.03, 0.06)
    middle = face.place(face.nose, 0, below)
    for side, ear in EARS:
        cheek = face.place(face.nose, side * dice.uniform(0.5, 0.65), below + dice.uniform(-0.15, 0.1))
        brush.line([middle, cheek, point(face.points[ear])], width, tone - dice.uniform(0, 0.3), clear)
        prong = [face.place(face.nose, side * 0.09, down) for down in (below, below - 0.1)]
        brush.line(prong, 1, tone, clear)
    brush.line([face.place(face.nose, across, below) for across in (-0.17, 0.17)], width + 1, tone, clear)


def _blanket(face: Face, brush: Brush, dice: Dice) -> None:
    """Cloth drawn up over the chin, the mouth or the nose, slanted, often with a hem and folds."""
    edge = face.chin + (face.nose - face.chin) * dice.uniform(0.0, 1.1)
    inward = face.down + dice.normal(0, 0.25) * face.across
    _cloth(face, brush, dice, edge, inward / np.hypot(*inward))


def _pillow(face: Face, brush: Brush, dice: Dice) -> None:
    """A pillow that swallows one side of the face, up to beyond the nose."""
    side = (-1.0, 1.0)[dice.integers(2)]
    edge = face.nose + face.across * side * face.span * dice.uniform(-0.25, 0.6)
    inward = face.across * side + dice.normal(0, 0.35) * face.down
    _cloth(face, brush, dice, edge, inward / np.hypot(*inward))


def _cloth(face: Face, brush: Brush, dice: Dice, edge: Floats, inward: Floats) -> None:
    """All that lies beyond a wavy line through `edge`, often with a hem and folds."""
    half_plane(brush.draw, edge, inward, dice, 1.5)
    if dice.random() < 0.6:
        along, cloth = np.array([-inward[1], inward[0]]), dice.uniform(0.1, 1.0)
        shades = brush.begin(cloth)
        for _ in range(dice.integers(3, 10)):
            start = edge + along * dice.uniform(-1.5, 1.5) * face.span + inward * dice.uniform(0, 0.8) * face.span
            end = start + face.span * (along * dice.normal(0, 0.6) + inward * dice.uniform(0.2, 1.2))
            fold = level(cloth + dice.normal(0, 0.15))
            shades.line([point(start), point(end)], fill=fold, width=int(dice.integers(2, 9)))
        hem = [point(edge + along * far + inward * dice.uniform(2, 6)) for far in (-2 * CANVAS_PX, 2 * CANVAS_PX)]
        shades.line(hem, fill=level(cloth + dice.normal(0, 0.2)), width=int(dice.integers(2, 7)))


def _hair(face: Face, brush: Brush, dice: Dice) -> None:
    """A fringe over the brows or the eyes, or strands at one side."""
    edge = face.at(9) + (face.at(*EYE_CORNERS) - face.at(9)) * dice.uniform(-0.6, 1.3)
    inward = -face.down + dice.normal(0, 0.6) * face.across
    half_plane(brush.draw, edge, inward / np.hypot(*inward), dice, 2.5)


def _glasses(face: Face, brush: Brush, dice: Dice) -> float | None:
    """Rims around both eyes, or dark lenses."""
    radius, width = face.span * dice.uniform(0.32, 0.48), int(dice.integers(1, 5))
    dark = dice.random() < 0.45
    for x, y in face.eyes:
        box = (x - radius, y - radius * 0.8, x + radius, y + radius * 0.8)
        brush.draw.ellipse(box, fill=255 if dark else None, outline=255, width=width)
    bridge = face.eyes if dark else (face.at(6), face.at(6))
    brush.draw.line([point(end) for end in bridge], fill=255)
    return float(dice.uniform(0.6, 1.0)) if dark else None


def _block(face: Face, brush: Brush, dice: Dice) -> None:
    """A rectangle, turned, or a disc anywhere on the face (after random erasing, Zhong et al., 2020)."""
    across, down = dice.uniform(-0.9, 0.9), dice.uniform(-0.9, 1.3)
    place, half = face.place(face.at(*EYE_CORNERS), across, down), face.span * dice.uniform(0.25, 0.8)
    if dice.random() < 0.7:
        brush.draw.polygon(patch(place, half, dice), fill=255)
    else:
        brush.disc(place, 0.8 * half, shade=0)


def _cup(face: Face, brush: Brush, dice: Dice) -> None:
    """A cup held to the mouth."""
    half = face.span * dice.uniform(0.4, 0.6)
    top, low = dice.uniform(-0.45, -0.1), dice.uniform(0.5, 0.9)
    rim = [face.place(face.mouth, side * half / face.span, top) for side in (-1, 1)]
    foot = [face.place(face.mouth, side * 0.8 * half / face.span, low) for side in (1, -1)]
    brush.draw.polygon([*rim, *foot], fill=255)


def _arm(face: Face, brush: Brush, dice: Dice) -> None:
    """A forearm laid across the face, bare or in a sleeve, round and lit from one side."""
    centre = face.at(9) + (face.chin - face.at(9)) * dice.uniform(0, 1)
    angle = dice.uniform(0, np.pi)
    along, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width, tone = face.span * dice.uniform(0.9, 1.6), face.level + dice.normal(0, 0.1)
    brush.begin(0.7 * tone)
    for share, light in ((1.0, 0.75), (0.8, 0.95), (0.45, 1.08)):
        middle = centre + side * width * (1 - share) * 0.3
        ends = [point(middle + sign * 2 * CANVAS_PX * along) for sign in (-1, 1)]
        brush.line(ends, share * width, light * tone)


def _bandage(face: Face, brush: Brush, dice: Dice) -> None:
    """A band over forehead and brows, or over one eye or both."""
    middle = face.at(9) + (face.at(*EYE_CORNERS) - face.at(9)) * dice.uniform(0.2, 1.1)
    half = face.span * dice.uniform(0.25, 0.4)
    slant = dice.normal(0, 0.15)
    ends = [face.place(middle, side * 1.6, side * slant) for side in (-1.0, 1.0)]
    brush.draw.line(ends, fill=255, width=int(2 * half))


TRAINED: dict[str, Painter] = {
    "hand": _hand,
    "surgical_mask": _surgical_mask,
    "oxygen_mask": _oxygen_mask,
    "tube": _tube,
    "cannula": _cannula,
    "blanket": _blanket,
    "pillow": _pillow,
    "hair": _hair,
    "glasses": _glasses,
    "block": _block,
}
HELD_OUT: dict[str, Painter] = {"cup": _cup, "arm": _arm, "bandage": _bandage}
