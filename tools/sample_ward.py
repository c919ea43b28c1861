"""A ward whose sessions show what they are told to, stored through the warehouse's own functions.

The same in every process. report_samples.py records its patients with it, and tests record theirs.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import duckdb
import numpy as np

from pmfer.errors import QuarantineReason
from tools.sample_faces import FRAME_SECONDS, Face, frames_of
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.quarantine import add_quarantine
from warehouse.queries import Provenance
from warehouse.records import BundleRecord, QuarantineRecord, RunRecord, ScoringRecord, SessionRecord, SessionResult
from warehouse.runs import start_run
from warehouse.store import store_sessions

TODAY = date(2026, 3, 21)
WINTER_TIME = timezone(timedelta(hours=1))
OPTIONS = {"detector": "centerface", "frames_per_second": 1 / FRAME_SECONDS}


def sha256(text: str) -> str:
    """Digest of a text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


BUNDLE = BundleRecord(sha256("card"), "pmfer-sample", sha256("weights"), sha256("prompts"), {"name": "pmfer-sample"})
OLD_BUNDLE = BundleRecord(sha256("old card"), "pmfer-old", sha256("old weights"), sha256("prompts"), {"name": "old"})
OPTIONS_SHA256 = sha256("options")
SCORING = Provenance(BUNDLE.bundle_id, OPTIONS_SHA256)


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
        """Store what is recorded here in one go, at the end: a transaction for each call takes much longer."""
        waiting = self._waiting = {}
        yield
        self._waiting = None
        for bundle, results in waiting.values():
            store_sessions(self.connection, bundle, results)

    def dice(self, patient_id: str) -> np.random.Generator:
        """Of the patient alone, so that one sample may grow without changing the others."""
        return self._dice.setdefault(patient_id, np.random.default_rng([*patient_id.encode()]))

    def use_options(self, name: str) -> None:
        """Start a run with other scoring options; what is recorded from now on is scored with them."""
        self.options_sha256 = sha256(name)
        start_run(self.connection, RunRecord(name, TODAY, "0.1.0", BUNDLE.bundle_id, self.options_sha256, OPTIONS))

    def care(self, patient_id: str, kind: CareEventKind, item: str, *days_back: int, **details: Any) -> None:
        """Store an event of care at eight in the morning, so many days before TODAY each."""
        morning = datetime(TODAY.year, TODAY.month, TODAY.day, 8, tzinfo=WINTER_TIME)
        events = [CareEvent(patient_id, kind, item, morning - timedelta(days=back), **details) for back in days_back]
        store_care_events(self.connection, events, "sample.csv")

    def record(
        self, patient_id: str, day: date, *faces: Face, hours: Sequence[float] | None = None, session_id: str = ""
    ) -> None:
        """Store one session per face on `day`, spread over the day unless `hours` are given."""
        results = []
        for number, face in enumerate(faces):
            hour = hours[number] if hours else 8 + 11 * number / max(len(faces) - 1, 1)
            results.append(
                self._result(patient_id, session_id or f"{patient_id}-{day}-{number + 1:02d}", day, hour, face)
            )
        self._store(results)

    def history(self, patient_id: str, face: Face, days: int = 20, end: date = TODAY) -> None:
        """Store `days` days before `end` with a session at eight each."""
        before = [end - timedelta(days=back) for back in range(days, 0, -1)]
        dice = self.dice(patient_id)
        self._store([self._result(patient_id, f"{patient_id}-{day}-01", day, 8, face.varied(dice)) for day in before])

    def set_aside(self, patient_id: str | None, name: str | None, reason: QuarantineReason, day: date = TODAY) -> None:
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
CALM = replace(STEADY, sadness=0.0, anger=0.0, spread=0.004)  # nothing about it changes by chance
HURTING = replace(STEADY, pain=0.45, smiling=0.03)
