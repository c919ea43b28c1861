"""A night without Prefect and reports: list, plan, copy, score in the child process, store, quarantine, publish."""

import atexit
from datetime import date
from functools import cache
from pathlib import Path

from flows.data_folder import DataFolder
from flows.job import make_job
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
from pmfer.bundle import load_bundle
from warehouse import quarantine
from warehouse.store import store_sessions


@cache
def _scorer(bundle: Path, options: ScoringOptions, limits: VideoLimits) -> ScoringProcess:
    """The child process of all nights that score alike: to start one takes longer than what they score."""
    scorer = ScoringProcess(load_bundle(bundle), options, limits)
    atexit.register(scorer.close)
    return scorer


def run_night(source: Path | str, data: DataFolder, night: date) -> NightPlan:
    """Process a night, and say what was planned."""
    job = make_job(RunRequest(source=str(source), data_dir=data.root), night)
    data.require_writable()
    with job.access.writing() as writer, staging_folder(data.staging) as folder:
        connection, scorer = writer.connection, _scorer(job.bundle.path, job.options, job.limits)
        plan = plan_night(connection, list_night(job.source, night), job)
        quarantined = list(plan.quarantined)
        for uri in plan.mended:
            quarantine.lift_quarantine(connection, uri)
        for session in plan.pending:
            result = pull_session(session, job, folder)
            if isinstance(result, StagedSession):
                known = examine(connection, [result.session], job)
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
