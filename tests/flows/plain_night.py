"""A night without Prefect and reports: list, plan, copy, score in the child process, store, quarantine, publish."""

import atexit
from datetime import date
from pathlib import Path

from flows.data_folder import DataFolder
from flows.job import Job, make_job
from flows.plan import NightPlan, examine, plan_night, quarantine_record
from flows.request import RunRequest
from flows.scoring import (
    ScoredSession,
    StagedSession,
    bundle_record,
    pull_session,
    score_session,
    session_result,
)
from flows.sources.discovery import list_night
from flows.sources.recordings import QuarantinedSession
from flows.staging import staging_folder
from inference.options import ScoringOptions, VideoLimits
from inference.process import ScoringProcess
from warehouse import quarantine
from warehouse.store import store_sessions

_scorers: dict[tuple[str, ScoringOptions, VideoLimits], ScoringProcess] = {}


def _scorer(job: Job) -> ScoringProcess:
    """The child process of all nights that score alike: to start one takes longer than what they score."""
    key = (job.bundle.digest, job.options, job.limits)
    if key not in _scorers:
        _scorers[key] = ScoringProcess(job.bundle, job.options, job.limits)
        atexit.register(_scorers[key].close)
    return _scorers[key]


def run_night(source: Path | str, data: DataFolder, night: date) -> NightPlan:
    """Process a night, and say what was planned."""
    job = make_job(RunRequest(source=str(source), data_dir=data.root), night)
    data.require_writable()
    with job.access.writing() as writer, staging_folder(data.staging) as folder:
        connection, scorer = writer.connection, _scorer(job)
        plan = plan_night(connection, list_night(job.source, night), job)
        quarantined = list(plan.quarantined)
        for uri in plan.mended:
            quarantine.lift_quarantine(connection, uri)
        for session in plan.pending:
            result = pull_session(session, job, folder)
            if isinstance(result, StagedSession):
                known = examine(connection, [result.session], job, night)
                quarantined += known.quarantined
                if not known.open:
                    continue
                outcome = score_session(scorer, known.open[0], result.video)
                if isinstance(outcome, ScoredSession):
                    store_sessions(connection, bundle_record(job.bundle), [session_result(outcome, job, "run")])
                else:
                    quarantined.append(outcome)
            elif isinstance(result, QuarantinedSession):
                quarantined.append(result)
        for refused in quarantined:
            quarantine.add_quarantine(connection, quarantine_record(refused, night, "run"))
        quarantine.settle_replays(connection, night)
    return plan
