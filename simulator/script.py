"""What a face does in one session: episodes that rise, hold and fade over a resting face, and a moving head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pmfer.facs import AU_BY_NUMBER
from simulator.pose import Pose

SMILE: dict[int, float] = {6: 0.8, 12: 1.0}
LAUGH: dict[int, float] = {6: 0.9, 12: 1.0, 25: 1.0, 26: 0.3}
GRIMACE: dict[int, float] = {4: 1.0, 6: 0.7, 7: 0.9, 9: 0.7, 10: 0.8, 43: 0.9}
INTEREST: dict[int, float] = {1: 0.8, 2: 0.8, 5: 0.3}
SPEECH: dict[int, float] = {25: 0.8, 26: 0.35}
SLIGHT_SMILE: dict[int, float] = {12: 0.3}
TIGHT_LIPS: dict[int, float] = {23: 0.9, 24: 0.9}
BLINK_S = 0.3  # from open to open


@dataclass(frozen=True)
class Manner:
    """How a person behaves in a session."""

    smiling: float = 0.30  # share of the time
    interest: float = 0.12  # share of the time with raised brows
    talking: float = 0.18  # share of the time
    grimacing: float = 0.06  # share of the time
    grimace: float = 0.35  # strength of a grimace, 0..1
    expressivity: float = 0.8  # strength of all other episodes, 0..1
    tension: float = 0.0  # of brow, lids and upper lip between the episodes, 0..1
    unrest_deg: float = 5.0  # how far the head moves
    blinks_per_minute: float = 14.0
    slight_smiling: float = 0.0  # share of the time with slightly raised lip corners but relaxed cheeks
    tight_lips: float = 0.0  # share of the time
    asleep: bool = False  # the eyes are closed throughout, and nothing else happens


@dataclass(frozen=True)
class Episode:
    """A stretch of activity that rises smoothly to its apex and fades smoothly."""

    start_s: float
    onset_s: float
    apex_s: float
    offset_s: float
    units: Mapping[int, float]  # AU number to intensity at the apex, 0..1

    @property
    def length_s(self) -> float:
        """Time from the first movement until the face is at rest again."""
        return self.onset_s + self.apex_s + self.offset_s

    def strength(self, time_s: float) -> float:
        """0 at rest .. 1 at the apex."""
        risen = (time_s - self.start_s) / self.onset_s
        fallen = (self.start_s + self.length_s - time_s) / self.offset_s
        level = max(0.0, min(1.0, risen, fallen))
        return level * level * (3.0 - 2.0 * level)


@dataclass(frozen=True)
class Script:
    """Everything one session's face and head do."""

    resting: Mapping[int, float]
    episodes: tuple[Episode, ...]
    pose: Pose
    sway: tuple[tuple[float, float, float], ...]  # (degrees, cycles per second, phase) of yaw, pitch and roll

    def units(self, time_s: float) -> dict[int, float]:
        """Intensity of each active action unit at a time, 0..1: the strongest of the resting face and all episodes."""
        found = dict(self.resting)
        for episode in self.episodes:
            strength = episode.strength(time_s)
            for number, apex in episode.units.items():
                found[number] = max(found.get(number, 0.0), strength * apex)
        return {number: min(value, 1.0) for number, value in found.items() if value > 0.005}

    def pose_at(self, time_s: float) -> Pose:
        """Where the head is at a time."""
        yaw, pitch, roll = (
            size * float(np.sin(2 * np.pi * (rate * time_s + phase))) for size, rate, phase in self.sway
        )
        return replace(
            self.pose,
            yaw_deg=self.pose.yaw_deg + yaw,
            pitch_deg=self.pose.pitch_deg + pitch,
            roll_deg=self.pose.roll_deg + roll,
            x=self.pose.x + 0.0012 * yaw,
            y=self.pose.y - 0.0008 * pitch,
        )


def write_script(rng: np.random.Generator, manner: Manner, seconds: float, pose: Pose) -> Script:
    """Draw what happens in one session of the given length, around a head at `pose`."""
    activities = (
        (manner.smiling, SMILE if rng.random() < 0.5 else LAUGH, manner.expressivity),
        (manner.interest, INTEREST, manner.expressivity),
        (manner.grimacing, GRIMACE, manner.grimace),
        (manner.slight_smiling, SLIGHT_SMILE, 1.0),
        (manner.tight_lips, TIGHT_LIPS, manner.expressivity),
    )
    episodes: list[Episode] = []
    for share, units, strength in activities:
        episodes += _spread(rng, share * seconds, seconds, units, strength)
    episodes += _speech(rng, manner, seconds)
    episodes += _blinks(rng, manner.blinks_per_minute, seconds)
    sway = tuple(
        (manner.unrest_deg * share * float(rng.uniform(0.5, 1.2)), float(rng.uniform(0.05, 0.16)), float(rng.random()))
        for share in (1.0, 0.6, 0.6)
    )
    tense = {4: 0.5, 7: 0.4, 10: 0.25}
    resting = {n: float(rng.uniform(0, 0.08)) + manner.tension * tense.get(n, 0.0) for n in (4, 7, 10, 15, 17)}
    if manner.asleep:
        return Script({43: 1.0}, (), pose, sway)
    return Script(resting, tuple(sorted(episodes, key=lambda episode: episode.start_s)), pose, sway)


def mean_units(script: Script, times_s: Sequence[float]) -> dict[int, float]:
    """Mean intensity of every action unit over the given times."""
    shown = [script.units(time) for time in times_s]
    return {n: float(np.mean([units.get(n, 0.0) for units in shown])) for n in AU_BY_NUMBER}


def _spread(
    rng: np.random.Generator, total_s: float, seconds: float, units: Mapping[int, float], strength: float
) -> list[Episode]:
    """Episodes that together last about `total_s`, one in each equal part of the session."""
    if total_s < 0.2 or strength <= 0.0:
        return []
    number = max(1, round(total_s / 1.6))
    found = []
    for part in range(number):
        length = total_s / number * float(rng.uniform(0.85, 1.15))
        onset, offset = 0.28 * length, 0.37 * length
        room = max(seconds / number - length, 0.0)
        start = part * seconds / number + float(rng.uniform(0, room)) if room else part * seconds / number
        apex = {n: min(a * strength * float(rng.uniform(0.85, 1.15)), 1.0) for n, a in units.items()}
        found.append(Episode(start, onset, length - onset - offset, offset, apex))
    return found


def _speech(rng: np.random.Generator, manner: Manner, seconds: float) -> list[Episode]:
    """A run of syllables: short openings of lips and jaw."""
    total = manner.talking * seconds
    start, found = float(rng.uniform(0, max(seconds - total, 0.1))), []
    time = start
    while time < start + total:
        size = manner.expressivity * float(rng.uniform(0.4, 1.0))
        found.append(Episode(time, 0.12, 0.05, 0.14, {number: min(a * size, 1.0) for number, a in SPEECH.items()}))
        time += float(rng.uniform(0.25, 0.45))
    return found


def _blinks(rng: np.random.Generator, per_minute: float, seconds: float) -> list[Episode]:
    found, time = [], float(rng.exponential(60.0 / per_minute))
    while time < seconds:
        found.append(Episode(time, 0.35 * BLINK_S, 0.15 * BLINK_S, 0.5 * BLINK_S, {43: 1.0}))
        time += BLINK_S + float(rng.exponential(60.0 / per_minute))
    return found
