"""What became of a night's sessions, as the warehouse tells it: whoever scored them, here or on another machine."""

from dataclasses import dataclass

import duckdb
import polars as pl

from flows.job import Job
from flows.night import NightOutcome, NightPlan
from flows.shards import recording_id
from flows.sources import Unready
from flows.sources.digests import Digests
from warehouse import queries

Row = dict[str, str | int]


@dataclass(frozen=True)
class Tally:
    """What a run did, and what it left."""

    plan: NightPlan
    scored: pl.DataFrame  # of this run, see queries.scored_sessions
    set_aside: pl.DataFrame  # rows of quarantine, of this run
    done_before: int
    unready: tuple[Unready, ...]

    def outcome(self, job: Job, reports: int) -> NightOutcome:
        """The outcome of the night with so many reports."""
        return NightOutcome(
            night=job.night,
            found=self.plan.found,
            scored=self.scored.height,
            done_before=self.done_before,
            quarantined=self.set_aside.height,
            frames_scored=int(self.scored["frames_scored"].sum()),
            reports=reports,
            unready=len(self.unready),
            mended=len(self.plan.mended),
        )

    def rows(self) -> list[Row]:
        """The night's table for Prefect's server: a row per session that this run touched, by recording_id.

        What knows the source or the warehouse can tell which it is; the server cannot.
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
            for row in self.set_aside.iter_rows(named=True)
        ]
        rows += [_without_frames(recording_id(unready.source_uri), "still being uploaded") for unready in self.unready]
        if self.done_before:
            rows.append(_without_frames(f"{self.done_before} more", "done before"))
        return rows


def tally(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job, run_id: str) -> Tally:
    """Look up what became of what was planned.

    What is neither scored nor set aside was not what was listed any more when it was to be read.

    Raises:
        WarehouseError: the database refused.
    """
    sessions = {session.recording.source_uri: session for session in plan.pending}
    names = [session.recording.sidecar.session_id for session in plan.pending]
    known = queries.scored_sessions(connection, names, job.provenance)
    aside = queries.quarantine(connection, job.night)
    by_name = {row["session_id"]: row for row in known.iter_rows(named=True)}
    aside_uris = set(aside["source_uri"])
    done_before = plan.done_before
    unready = list(plan.unready)
    for uri, session in sessions.items():
        row = by_name.get(session.recording.sidecar.session_id)
        if uri in aside_uris:
            continue
        if row is None:
            message = f"{session.recording.name}: it changed since it was listed; left for next time"
            unready.append(Unready(uri, message))
        elif row["run_id"] != run_id:
            done_before += 1
    mine = pl.col("run_id") == run_id
    return Tally(plan, known.filter(mine), aside.filter(mine), done_before, tuple(unready))


def remember_contents(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job) -> None:
    """Note here what other machines read, so that a night that is done is not read again only to find that out.

    Raises:
        WarehouseError: the database refused.
        OSError: the note cannot be written.
    """
    digests = Digests(job.data.digests(job.night))
    names = [session.recording.sidecar.session_id for session in plan.pending]
    known = queries.scored_sessions(connection, names, job.provenance)
    aside = queries.quarantine(connection, job.night).filter(pl.col("content_sha256").is_not_null())
    contents = dict(known.select("source_uri", "content_sha256").iter_rows())
    contents |= dict(aside.select("source_uri", "content_sha256").iter_rows())
    for session in plan.pending:
        content = contents.get(session.recording.source_uri)
        if content is not None and digests.of(session.recording) is None:
            digests.remember(session.recording, content)


def _without_frames(session: str, outcome: str) -> Row:
    return {"session": session, "outcome": outcome, "frames": 0, "face found": 0, "scored": 0}
