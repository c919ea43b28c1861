"""How each kind of cover is drawn: the area that it hides and, for some kinds, its shading.

A plain kind draws only its outline, and pmfer/covers.py fills it with a texture. A shaded kind also paints the details
by which the real thing is recognised: the rim, glare and hose of a clear mask; fingers of the face's own brightness
with shadows between them; pleats, folds and hems. Kinds, shapes and shades are ours, drawn by eye.
"""

from collections.abc import Callable

import numpy as np

from pmfer.brush import CANVAS_PX, Brush, Face, Floats, Point, Rng, half_plane, level, patch, point

JAW_LINE = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
EYE_CORNERS = (33, 133, 263, 362)
EARS = ((-1.0, 234), (1.0, 454))  # side of the face (-1 left, 1 right in the picture), point of the mesh
Painter = Callable[[Face, Brush, Rng], float | None]  # returns the opacity of the whole cover; None: as drawn


def _hand(face: Face, brush: Brush, rng: Rng) -> None:
    """A palm and two to four fingers, from any direction, over any part of the face, of about its brightness."""
    targets = (face.mouth, face.chin, face.nose, *face.eyes, face.at(50), face.at(280), face.at(9))
    goal = targets[rng.integers(len(targets))] + rng.normal(0, 0.2 * face.span, 2)
    angle = rng.uniform(0, 2 * np.pi)
    away, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width = face.span * rng.uniform(0.16, 0.28)
    skin, dim = face.level + rng.normal(0, 0.08), rng.uniform(0.45, 0.85)
    if rng.random() < 0.7:
        brush.begin(dim * skin)
    palm = point(goal + away * face.span * rng.uniform(0.5, 1.3))
    radius = face.span * rng.uniform(0.5, 0.8)
    brush.disc(palm, radius, dim * skin)
    brush.disc(palm, radius - 1.5, skin)
    for finger in range(rng.integers(2, 5)):
        tip = goal + side * (finger - 1.5) * width * rng.uniform(0.9, 1.15) - away * rng.uniform(0, 0.3) * face.span
        root = goal + side * (finger - 1.5) * width + away * face.span * rng.uniform(0.7, 1.1)
        brush.line([point(tip), point(root)], width, dim * skin)
        brush.line([point(tip), point(root)], width - 2, skin)
        lit = side * width * rng.uniform(-0.2, 0.2)
        brush.line([point(tip + lit), point(root + lit)], width * 0.35, skin * rng.uniform(1.0, 1.15))
        for share in (0.3, 0.6):  # creases of the joints
            joint = tip + share * (root - tip)
            brush.line([point(joint - side * width * 0.3), point(joint + side * width * 0.3)], 1, 0.85 * skin)


def _surgical_mask(face: Face, brush: Brush, rng: Rng) -> None:
    """A mask from the bridge of the nose, or slipped below the nose, to under the chin, with pleats and ear loops."""
    ridge = face.points[6] + (face.nose - face.points[6]) * rng.uniform(0.1, 1.25)
    first = int(rng.integers(0, 3))
    jaw = face.points[list(JAW_LINE[first : len(JAW_LINE) - first])] + face.down * face.span * rng.uniform(0, 0.12)
    left = face.points[118] + face.down * rng.uniform(-0.1, 0.3) * face.span
    right = face.points[347] + face.down * rng.uniform(-0.1, 0.3) * face.span
    cloth = rng.uniform(0.2, 1.0)
    shaded = rng.random() < 0.6
    if shaded:
        brush.begin(cloth)
        for cheek, (_, ear) in zip((left, right), EARS, strict=True):
            brush.line([point(cheek), point(face.points[ear])], 1, rng.uniform(0.5, 1.0), 0.9)
    brush.polygon([point(p) for p in (*jaw, right, ridge, left)], cloth)
    if shaded:
        for share in np.arange(0.25, 0.9, rng.uniform(0.15, 0.3)):
            ends = [point(cheek + share * (corner - cheek)) for cheek, corner in ((left, jaw[3]), (right, jaw[-4]))]
            middle = point(ridge + share * (face.chin - ridge))
            brush.line([ends[0], middle, ends[1]], int(rng.integers(1, 4)), cloth - rng.uniform(0.05, 0.25))
        brush.line([point(left), point(ridge), point(right)], 2, cloth + rng.normal(0, 0.15))


def _oxygen_mask(face: Face, brush: Brush, rng: Rng) -> None:
    """A clear shell from the bridge of the nose to the chin, with straps and hose; the mouth shows through."""
    down_to_mouth = float((face.mouth - face.nose) @ face.down) / face.span
    top, bottom = -rng.uniform(0.2, 0.6), down_to_mouth + rng.uniform(0.35, 0.85)
    size, aside = rng.uniform(0.75, 1.15), rng.uniform(-0.08, 0.08)
    shares = np.linspace(0, 1, 13)
    half = size * np.interp(shares, [0, 0.08, 0.3, 0.62, 0.85, 1], [0.06, 0.27, 0.46, 0.65, 0.6, 0.29])

    def on_shell(share: float, across: float) -> Point:
        """A point of the shell, by its share of the height and of the half width at that height (-1..1)."""
        reach = float(np.interp(share, shares, half))
        return face.place(face.nose, aside + across * reach, top + share * (bottom - top))

    clear, shell = rng.uniform(0.2, 0.55), rng.uniform(0.3, 0.95)
    brush.begin(shell)
    for side, ear in EARS:
        strap = [on_shell(0.55, side), point(face.points[ear])]
        brush.line(strap, int(rng.integers(1, 4)), rng.uniform(0.3, 0.9), rng.uniform(0.6, 0.95))
    if rng.random() < 0.6:
        start, end = np.array(on_shell(0.9, 0)), np.array(on_shell(1.0, rng.normal(0, 0.8))) + face.down * face.span
        hose, width = rng.uniform(0.3, 0.9), face.span * rng.uniform(0.1, 0.22)
        brush.line([point(start), point(end)], width, hose, 0.9)
        for share in np.arange(0.1, 1, 0.12):  # its ribs
            rib = start + share * (end - start)
            ends = [point(rib + sign * 0.5 * width * face.across) for sign in (-1, 1)]
            brush.line(ends, 1, hose - 0.2, 0.9)
    for side, light in ((-1.0, rng.normal(0, 0.1)), (1.0, rng.normal(0, 0.1))):
        edge = [on_shell(share, side) for share in shares]
        brush.polygon([on_shell(0, 0), *edge, on_shell(1, 0)], shell + light, clear)
    rim = [*(on_shell(share, -1) for share in shares), *(on_shell(share, 1) for share in shares[::-1])]
    solid = min(0.95, clear + rng.uniform(0.1, 0.45))
    brush.line([*rim, rim[0]], int(rng.integers(1, 4)), shell + rng.normal(0.05, 0.3), solid)
    for _ in range(rng.integers(1, 4)):
        across, first = rng.uniform(-0.8, 0.8), rng.uniform(0.15, 0.6)
        glare = [on_shell(first + step, across) for step in (0.0, rng.uniform(0.05, 0.15), rng.uniform(0.15, 0.35))]
        brush.line(glare, int(rng.integers(1, 5)), rng.uniform(0.8, 1.0), rng.uniform(0.4, 0.9))
    if rng.random() < 0.7:
        valve, radius = on_shell(rng.uniform(0.65, 0.85), 0), face.span * rng.uniform(0.1, 0.22)
        tone = rng.uniform(0.2, 0.9)
        brush.disc(valve, radius, tone, 0.9)
        brush.disc(valve, 0.6 * radius, tone + rng.normal(0, 0.15), 0.9)
    if rng.random() < 0.5:
        for across in (-0.55, -0.4, 0.4, 0.55):
            for share in (0.6, 0.66):
                brush.disc(on_shell(share, across), 1, rng.uniform(0.0, 0.3), 0.7)
    if rng.random() < 0.5:
        brush.line([on_shell(0.1, -0.5), on_shell(0.1, 0.5)], 2, rng.uniform(0.3, 0.8), 0.95)


def _tube(face: Face, brush: Brush, rng: Rng) -> None:
    """One or two thin tubes from nose or mouth to a cheek and beyond, held by tape."""
    origin = (face.nose, face.mouth)[rng.integers(2)]
    tone, tape = rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.0)
    if rng.random() < 0.6:
        brush.begin(tape)
    for side in ((-1.0, 1.0), (-1.0,), (1.0,))[rng.integers(3)]:
        middle = face.place(origin, side * rng.uniform(0.4, 0.7), rng.uniform(-0.1, 0.3))
        end = face.place(origin, side * rng.uniform(1.0, 1.6), rng.uniform(-0.5, 0.5))
        width = int(rng.integers(2, 7))
        brush.line([point(origin), middle, end], width, tone - 0.25)
        brush.line([point(origin), middle, end], width - 2, tone)
        if rng.random() < 0.5:
            brush.polygon(patch(middle, face.span * rng.uniform(0.12, 0.3), rng), tape)
    if rng.random() < 0.4:
        place = face.place(origin, 0, rng.uniform(-0.2, 0.2))
        brush.polygon(patch(place, face.span * rng.uniform(0.12, 0.35), rng), tape)


def _cannula(face: Face, brush: Brush, rng: Rng) -> None:
    """A thin clear tube below the nose and over both cheeks to the ears, with two prongs; it hides almost nothing."""
    tone, width, clear = rng.uniform(0.4, 1.0), int(rng.integers(1, 4)), rng.uniform(0.5, 0.95)
    brush.begin(tone)
    below = 0.12 + rng.uniform(-0.03, 0.06)
    middle = face.place(face.nose, 0, below)
    for side, ear in EARS:
        cheek = face.place(face.nose, side * rng.uniform(0.5, 0.65), below + rng.uniform(-0.15, 0.1))
        brush.line([middle, cheek, point(face.points[ear])], width, tone - rng.uniform(0, 0.3), clear)
        prong = [face.place(face.nose, side * 0.09, down) for down in (below, below - 0.1)]
        brush.line(prong, 1, tone, clear)
    brush.line([face.place(face.nose, across, below) for across in (-0.17, 0.17)], width + 1, tone, clear)


def _blanket(face: Face, brush: Brush, rng: Rng) -> None:
    """A blanket pulled up over the chin, the mouth or the nose, at a slant, often with a hem and folds."""
    edge = face.chin + (face.nose - face.chin) * rng.uniform(0.0, 1.1)
    inward = face.down + rng.normal(0, 0.25) * face.across
    _cloth(face, brush, rng, edge, inward / np.hypot(*inward))


def _pillow(face: Face, brush: Brush, rng: Rng) -> None:
    """A pillow that hides one side of the face, at most to beyond the nose."""
    side = (-1.0, 1.0)[rng.integers(2)]
    edge = face.nose + face.across * side * face.span * rng.uniform(-0.25, 0.6)
    inward = face.across * side + rng.normal(0, 0.35) * face.down
    _cloth(face, brush, rng, edge, inward / np.hypot(*inward))


def _cloth(face: Face, brush: Brush, rng: Rng, edge: Floats, inward: Floats) -> None:
    """Cloth over everything beyond a wavy line through `edge`, often with a hem and folds."""
    half_plane(brush.draw, edge, inward, rng, 1.5)
    if rng.random() < 0.6:
        along, cloth = np.array([-inward[1], inward[0]]), rng.uniform(0.1, 1.0)
        shades = brush.begin(cloth)
        for _ in range(rng.integers(3, 10)):
            start = edge + along * rng.uniform(-1.5, 1.5) * face.span + inward * rng.uniform(0, 0.8) * face.span
            end = start + face.span * (along * rng.normal(0, 0.6) + inward * rng.uniform(0.2, 1.2))
            fold = level(cloth + rng.normal(0, 0.15))
            shades.line([point(start), point(end)], fill=fold, width=int(rng.integers(2, 9)))
        hem = [point(edge + along * far + inward * rng.uniform(2, 6)) for far in (-2 * CANVAS_PX, 2 * CANVAS_PX)]
        shades.line(hem, fill=level(cloth + rng.normal(0, 0.2)), width=int(rng.integers(2, 7)))


def _hair(face: Face, brush: Brush, rng: Rng) -> None:
    """A fringe over the brows or the eyes, or strands at one side."""
    edge = face.at(9) + (face.at(*EYE_CORNERS) - face.at(9)) * rng.uniform(-0.6, 1.3)
    inward = -face.down + rng.normal(0, 0.6) * face.across
    half_plane(brush.draw, edge, inward / np.hypot(*inward), rng, 2.5)


def _glasses(face: Face, brush: Brush, rng: Rng) -> float | None:
    """Rims around both eyes, or dark lenses."""
    radius, width = face.span * rng.uniform(0.32, 0.48), int(rng.integers(1, 5))
    dark = rng.random() < 0.45
    for x, y in face.eyes:
        box = (x - radius, y - radius * 0.8, x + radius, y + radius * 0.8)
        brush.draw.ellipse(box, fill=255 if dark else None, outline=255, width=width)
    bridge = face.eyes if dark else (face.at(6), face.at(6))
    brush.draw.line([point(end) for end in bridge], fill=255)
    return float(rng.uniform(0.6, 1.0)) if dark else None


def _block(face: Face, brush: Brush, rng: Rng) -> None:
    """A rotated rectangle or a disc anywhere on the face (after random erasing, Zhong et al., 2020)."""
    across, down = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 1.3)
    place, half = face.place(face.at(*EYE_CORNERS), across, down), face.span * rng.uniform(0.25, 0.8)
    if rng.random() < 0.7:
        brush.draw.polygon(patch(place, half, rng), fill=255)
    else:
        brush.disc(place, 0.8 * half, shade=0)


def _cup(face: Face, brush: Brush, rng: Rng) -> None:
    """A cup held to the mouth."""
    half = face.span * rng.uniform(0.4, 0.6)
    top, low = rng.uniform(-0.45, -0.1), rng.uniform(0.5, 0.9)
    rim = [face.place(face.mouth, side * half / face.span, top) for side in (-1, 1)]
    foot = [face.place(face.mouth, side * 0.8 * half / face.span, low) for side in (1, -1)]
    brush.draw.polygon([*rim, *foot], fill=255)


def _arm(face: Face, brush: Brush, rng: Rng) -> None:
    """A forearm across the face, shaded as a cylinder lit from one side."""
    centre = face.at(9) + (face.chin - face.at(9)) * rng.uniform(0, 1)
    angle = rng.uniform(0, np.pi)
    along, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width, tone = face.span * rng.uniform(0.9, 1.6), face.level + rng.normal(0, 0.1)
    brush.begin(0.7 * tone)
    for share, light in ((1.0, 0.75), (0.8, 0.95), (0.45, 1.08)):
        middle = centre + side * width * (1 - share) * 0.3
        ends = [point(middle + sign * 2 * CANVAS_PX * along) for sign in (-1, 1)]
        brush.line(ends, share * width, light * tone)


def _bandage(face: Face, brush: Brush, rng: Rng) -> None:
    """A band across forehead and brows, or across the eyes."""
    middle = face.at(9) + (face.at(*EYE_CORNERS) - face.at(9)) * rng.uniform(0.2, 1.1)
    half = face.span * rng.uniform(0.25, 0.4)
    slant = rng.normal(0, 0.15)
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
