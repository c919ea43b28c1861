"""The outcome of a night: as one line, as a table, and as read from the warehouse, whoever scored the sessions."""

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from flows.job import Job
from flows.plan import NightPlan
from flows.shards import recording_id
from flows.sources.recordings import Digests, Unready
from warehouse import quarantine, queries
from warehouse.records import RunOutcome

Row = dict[str, str | int]


@dataclass(frozen=True)
class NightOutcome:
    """The outcome of one run of a night."""

    night: date
    found: int  # sessions in the source
    scored: int
    done_before: int
    quarantined: int  # newly
    frames_scored: int
    reports: int  # rendered
    unready: int = 0  # still being uploaded, left for next time
    mended: int = 0  # taken out of quarantine without being scored
    idle: bool = False  # there was nothing to do

    def sentence(self) -> str:
        """The outcome in one line."""
        left = f"; {self.mended} taken out of quarantine" if self.mended else ""
        left += f"; {self.unready} still being uploaded or just written, left for the next run" if self.unready else ""
        if self.found == 0:
            return f"{self.night}: no {'complete ' if self.unready else ''}sessions in the source{left}"
        if not (self.scored or self.quarantined or self.reports or self.mended):
            return f"{self.night}: nothing to do, {self.done_before} of {self.found} sessions were scored before{left}"
        why = " (`pmfer quarantine list` says why)" if self.quarantined else ""
        return (
            f"{self.night}: {self.scored} of {self.found} sessions scored ({self.frames_scored} frames), "
            f"{self.done_before} done before, {self.quarantined} quarantined{why}, {self.reports} reports{left}"
        )

    def record(self) -> RunOutcome:
        """The outcome as the warehouse stores it."""
        return RunOutcome("completed", self.found, self.scored, self.done_before, self.quarantined, self.frames_scored)


def idle_outcome(plan: NightPlan, job: Job) -> NightOutcome:
    """The outcome of a night with nothing to do."""
    return NightOutcome(job.night, plan.found, 0, plan.done_before, 0, 0, 0, len(plan.unready), idle=True)


@dataclass(frozen=True)
class SessionOutcomes:
    """What happened to each session of a run."""

    plan: NightPlan
    scored: pl.DataFrame  # of this run, see queries.scored_sessions
    quarantined: pl.DataFrame  # rows of quarantine, of this run
    done_before: int
    unready: tuple[Unready, ...]

    def outcome(self, job: Job, reports: int) -> NightOutcome:
        """The outcome of the night, given the number of reports rendered."""
        return NightOutcome(
            night=job.night,
            found=self.plan.found,
            scored=self.scored.height,
            done_before=self.done_before,
            quarantined=self.quarantined.height,
            frames_scored=int(self.scored["frames_scored"].sum()),
            reports=reports,
            unready=len(self.unready),
            mended=len(self.plan.mended),
        )

    def rows(self) -> list[Row]:
        """The night's table for Prefect's server: one row per session that this run touched, named by recording_id.

        Only those who can read the source or the warehouse can tell which session it is; the server cannot.
        """
        rows: list[Row] = [
            {
                "session": recording_id(row["source_uri"]),
                "outcome": "scored",
                "frames": row["frames_sampled"],
                "face found": row["frames_with_face"],
                "scored": row["frames_scored"],
            }
            for row in self.scored.iter_rows(named=True)
        ]
        rows += [
            _without_frames(recording_id(row["source_uri"]), row["reason"])
            for row in self.quarantined.iter_rows(named=True)
        ]
        rows += [_without_frames(recording_id(unready.source_uri), "still being uploaded") for unready in self.unready]
        if self.done_before:
            rows.append(_without_frames(f"{self.done_before} more", "done before"))
        return rows


def session_outcomes(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job, run_id: str) -> SessionOutcomes:
    """Look up in the warehouse what happened to the planned sessions.

    A session that was neither scored nor quarantined changed between being listed and being read.

    Raises:
        WarehouseError: the database failed.
    """
    sessions = {session.recording.source_uri: session for session in plan.pending}
    names = [session.recording.sidecar.session_id for session in plan.pending]
    known = queries.scored_sessions(connection, names, job.provenance)
    in_quarantine = quarantine.of_night(connection, job.night)
    by_name = {row["session_id"]: row for row in known.iter_rows(named=True)}
    quarantined_uris = set(in_quarantine["source_uri"])
    done_before = plan.done_before
    unready = list(plan.unready)
    for uri, session in sessions.items():
        row = by_name.get(session.recording.sidecar.session_id)
        if uri in quarantined_uris:
            continue
        if row is None:
            message = f"{session.recording.name}: it changed since it was listed; left for next time"
            unready.append(Unready(uri, message))
        elif row["run_id"] != run_id:
            done_before += 1
    of_run = pl.col("run_id") == run_id
    return SessionOutcomes(plan, known.filter(of_run), in_quarantine.filter(of_run), done_before, tuple(unready))


def remember_contents(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job) -> None:
    """Remember on this machine the content hashes that workers computed, so that the videos are not read again.

    Raises:
        WarehouseError: the database failed.
        OSError: the file of hashes cannot be written.
    """
    digests = Digests(job.data.digests(job.night))
    names = [session.recording.sidecar.session_id for session in plan.pending]
    known = queries.scored_sessions(connection, names, job.provenance)
    in_quarantine = quarantine.of_night(connection, job.night).filter(pl.col("content_sha256").is_not_null())
    contents = dict(known.select("source_uri", "content_sha256").iter_rows())
    contents |= dict(in_quarantine.select("source_uri", "content_sha256").iter_rows())
    for session in plan.pending:
        content = contents.get(session.recording.source_uri)
        if content is not None and digests.of(session.recording) is None:
            digests.remember(session.recording, content)


def _without_frames(session: str, outcome: str) -> Row:
    return {"session": session, "outcome": outcome, "frames": 0, "face found": 0, "scored": 0}
