"""A ward whose sessions show exactly what they are told to, stored with the warehouse's own functions.

It is the same in every process. report_samples.py uses it to record its patients, and tests to record theirs.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import duckdb
import numpy as np
import polars as pl

from pmfer.errors import QuarantineReason
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.frame_row import FRAME_SCHEMA
from pmfer.pain import with_pain_activity
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.quarantine import add_quarantine
from warehouse.queries import Provenance
from warehouse.records import BundleRecord, QuarantineRecord, RunRecord, ScoringRecord, SessionRecord, SessionResult
from warehouse.runs import start_run
from warehouse.store import store_sessions

TODAY = date(2026, 3, 21)
WINTER_TIME = timezone(timedelta(hours=1))
FRAME_SECONDS = 1.0  # from one sampled frame to the next
# Score of each pain-related action unit, relative to the level of pain-related activity. Combined as in PSPI, these
# factors give a mean of 1, so that the activity equals the level.
PAIN_UNITS = {"au04": 1.6, "au06": 0.8, "au07": 1.0, "au09": 0.6, "au10": 1.0, "au43": 0.4}  # the eyes stay open
SWING = 0.15  # relative variation of pain-related action units within a session, so that it has distinct moments
OPTIONS = {"detector": "centerface", "frames_per_second": 1 / FRAME_SECONDS}


def sha256(text: str) -> str:
    """SHA-256 of a text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


BUNDLE = BundleRecord(sha256("card"), "pmfer-sample", sha256("weights"), sha256("prompts"), {"name": "pmfer-sample"})
OLD_BUNDLE = BundleRecord(sha256("old card"), "pmfer-old", sha256("old weights"), sha256("prompts"), {"name": "old"})
OPTIONS_SHA256 = sha256("options")
SCORING = Provenance(BUNDLE.bundle_id, OPTIONS_SHA256)


@dataclass(frozen=True)
class Face:
    """What a session shows: expressions as shares of the scored frames, and the level of pain-related activity."""

    smiling: float = 0.15
    sadness: float = 0.02
    fear: float = 0.0
    anger: float = 0.01
    pain: float = 0.15  # level of pain-related activity, 0..1
    spread: float = 0.01  # standard deviation of all of the above between sessions
    frames: int = 60
    reasons: tuple[str | None, ...] = (None,) * 9 + ("no_face",)  # repeated over the frames
    warning: str | None = None  # from the decoder

    def varied(self, rng: np.random.Generator) -> "Face":
        """The same face on another day."""

        def near(value: float) -> float:
            return float(np.clip(value + rng.normal(0, self.spread), 0, 1))

        return replace(
            self,
            smiling=near(self.smiling),
            sadness=near(self.sadness),
            fear=near(self.fear),
            anger=near(self.anger),
            pain=near(self.pain),
        )


def frames_of(session_id: str, face: Face) -> pl.DataFrame:
    """A score batch whose leading expressions have exactly the shares of the face, rounded to whole frames."""
    reasons = [face.reasons[i % len(face.reasons)] for i in range(face.frames)]
    scored = [i for i, reason in enumerate(reasons) if reason is None]
    phase = sum(map(ord, session_id))
    leading = ["neutral"] * len(scored)
    at = 0
    for name in ("happiness", "sadness", "fear", "anger"):
        share = face.smiling if name == "happiness" else getattr(face, name)
        end = min(at + round(share * len(scored)), len(scored))
        leading[at:end] = [name] * (end - at)
        at = end
    # Move a number of the neutral frames from the end to the beginning, so that sessions differ; the other expressions
    # stay together.
    shift = phase % (leading.count("neutral") + 1)
    leading = leading[len(leading) - shift :] + leading[: len(leading) - shift]
    swings = [1 + SWING * math.sin(2 * math.pi * 3 * ((i + phase) % face.frames) / face.frames) for i in scored]
    shown = {name: [0.86 if name == first else 0.02 for first in leading] for name in EXPRESSION_NAMES}
    shown |= {name: [_unit_score(name, swing, face) for swing in swings] for name in AU_COLUMNS}
    columns: dict[str, list[float | None]] = {name: [None] * face.frames for name in shown}
    for name, scores in shown.items():
        for i, score in zip(scored, scores, strict=True):
            columns[name][i] = score
    subject = [reason not in ("no_face", "not_subject") for reason in reasons]
    frames = pl.DataFrame({**columns, "reason": reasons, "is_subject": subject}).with_columns(
        session_id=pl.lit(session_id),
        frame_index=pl.int_range(pl.len()) * 6,
        pts_s=pl.int_range(pl.len()) * FRAME_SECONDS,
    )
    nobody, visited = pl.col("reason") == "no_face", pl.col("frame_index") % 42 == 0
    frames = frames.with_columns(face_count=pl.when(nobody).then(0).when(visited).then(2).otherwise(1))
    frames = with_pain_activity(frames)
    missing = [name for name in FRAME_SCHEMA if name not in frames.columns]
    frames = frames.with_columns(pl.lit(None).alias(name) for name in missing)
    return frames.select(pl.col(name).cast(dtype) for name, dtype in FRAME_SCHEMA.items())


def _unit_score(name: str, swing: float, face: Face) -> float:
    """Score of one action unit in one frame; pain-related action units vary together around their level."""
    return min(1.0, face.pain * PAIN_UNITS[name] * swing) if name in PAIN_UNITS else 0.1


class SampleWard:
    """Stores sessions day by day in an open warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._dice: dict[str, np.random.Generator] = {}
        self._waiting: dict[str, tuple[BundleRecord, list[SessionResult]]] | None = None  # by bundle, see `together`
        self.options_sha256 = ""
        self.bundle = BUNDLE
        self.use_options("options")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store everything recorded in the block at its end, which is much faster than a transaction for each call."""
        waiting = self._waiting = {}
        yield
        self._waiting = None
        for bundle, results in waiting.values():
            store_sessions(self.connection, bundle, results)

    def dice(self, patient_id: str) -> np.random.Generator:
        """The patient's own random generator, so that one sample can change without changing the others."""
        return self._dice.setdefault(patient_id, np.random.default_rng([*patient_id.encode()]))

    def use_options(self, name: str) -> None:
        """Start a run with other scoring options, which all later recordings are scored with."""
        self.options_sha256 = sha256(name)
        start_run(self.connection, RunRecord(name, TODAY, "0.1.0", BUNDLE.bundle_id, self.options_sha256, OPTIONS))

    def care(self, patient_id: str, kind: CareEventKind, item: str, *days_back: int, **details: Any) -> None:
        """Store a care event at eight in the morning of each of these days, given as days before TODAY."""
        morning = datetime(TODAY.year, TODAY.month, TODAY.day, 8, tzinfo=WINTER_TIME)
        events = [CareEvent(patient_id, kind, item, morning - timedelta(days=back), **details) for back in days_back]
        store_care_events(self.connection, events, "sample.csv")

    def record(
        self, patient_id: str, day: date, *faces: Face, hours: Sequence[float] | None = None, session_id: str = ""
    ) -> None:
        """Store one session per face on `day`, at `hours` or else spread over the day."""
        results = []
        for number, face in enumerate(faces):
            hour = hours[number] if hours else 8 + 11 * number / max(len(faces) - 1, 1)
            results.append(
                self._result(patient_id, session_id or f"{patient_id}-{day}-{number + 1:02d}", day, hour, face)
            )
        self._store(results)

    def history(self, patient_id: str, face: Face, days: int = 20, end: date = TODAY) -> None:
        """Store a session at eight in the morning on each of the `days` days before `end`."""
        dates = [end - timedelta(days=back) for back in range(days, 0, -1)]
        dice = self.dice(patient_id)
        self._store([self._result(patient_id, f"{patient_id}-{day}-01", day, 8, face.varied(dice)) for day in dates])

    def quarantine(self, patient_id: str | None, name: str | None, reason: QuarantineReason, day: date = TODAY) -> None:
        """Put one session of `day` into quarantine."""
        uri = f"{day}/{name or 'CAM-7 21-03-26'}.mp4"
        add_quarantine(
            self.connection,
            QuarantineRecord(day, uri, None, name, patient_id, reason, "what and what to do", "options"),
        )

    def _store(self, results: list[SessionResult]) -> None:
        if self._waiting is None:
            store_sessions(self.connection, self.bundle, results)
        else:
            self._waiting.setdefault(self.bundle.bundle_id, (self.bundle, []))[1].extend(results)

    def _result(self, patient_id: str, session_id: str, day: date, hour: float, face: Face) -> SessionResult:
        frames = frames_of(session_id, face)
        start = datetime(day.year, day.month, day.day, tzinfo=WINTER_TIME) + timedelta(hours=hour)
        session = SessionRecord(session_id, patient_id, start, f"{day}/{session_id}.mp4", sha256(session_id), True)
        scoring = ScoringRecord(
            options_sha256=self.options_sha256,
            options=OPTIONS,
            run_id="options",
            duration_s=face.frames * FRAME_SECONDS,
            frames_decoded=face.frames * 6,
            frames_sampled=face.frames,
            frames_with_face=int((frames["face_count"] > 0).sum()),
            frames_scored=frames["reason"].null_count(),
            warning=face.warning,
        )
        return SessionResult(session, scoring, frames)


STEADY = Face()
CALM = replace(STEADY, sadness=0.0, anger=0.0, spread=0.004)  # varies too little for chance findings
HURTING = replace(STEADY, pain=0.45, smiling=0.03)
