"""The flow of one shard: some sessions of a night, scored by a worker on any machine and stored in the common lake."""

import logging
from datetime import date
from pathlib import Path
from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.concurrency.sync import concurrency
from pydantic import Field

from flows.job import Job, job_of
from flows.logs import hide, log_context, nameless_errors
from flows.night import plan_night, quarantine_record
from flows.process import set_up_worker
from flows.scoring import score_sessions
from flows.settings import Settings, read_settings
from flows.shards import recording_id
from flows.sources import list_night, list_nights
from flows.writing import require_existing, writing
from inference.options import ScoringOptions
from pmfer.bundle import Bundle, find_bundle
from pmfer.errors import BundleError, ConfigurationError
from warehouse import queries, store
from warehouse.lock import at_work

LIMIT = "pmfer-shards"  # global limit of shards that run at the same time, whatever pool they are in

log = logging.getLogger("pmfer.shard")

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
RecordingId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


@flow(name="score-shard")
def score_shard(
    source: str,
    night: date,
    recordings: Annotated[list[RecordingId], Field(min_length=1)],
    run_id: UUID,
    shard: Annotated[int, Field(gt=0)],
    bundle: str,
    bundle_id: Digest,
    options: ScoringOptions,
    options_sha256: Digest,
    data_dir: Path | None = None,
) -> None:
    """Score some sessions of a night; the nightly flow starts this one.

    Args:
        source: as the nightly run has it; this machine must reach it too.
        night: the day.
        recordings: which recordings, see flows.shards.recording_id.
        run_id: the nightly run that stores them.
        shard: its number in that run, for the log.
        bundle: the nightly run's: a shipped bundle's name, or a folder, which may lie elsewhere on this machine if
            PMFER_BUNDLE names it.
        bundle_id: its digest.
        options: the nightly run's scoring options.
        options_sha256: their digest there.
        data_dir: folder for copies while they are scored; left out, PMFER_DATA_DIR of this machine.

    Raises:
        PmferError: the source or the warehouse cannot be used or is another one than that of the nightly run, or the
            bundle or the detector of the nightly run is not on this machine.
    """
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    job = job_of(settings, source, night, _bundle(settings, bundle, bundle_id), options)
    _require_same_method(job, options_sha256)
    job.data.require_writable()
    _require_same_places(job, str(run_id))
    wanted = frozenset(recordings)
    # A lease that cannot be renewed for a while is no reason to throw away what is half scored.
    with (
        nameless_errors(),
        log_context(run=str(run_id), shard=str(shard)),
        concurrency(LIMIT, strict=True, raise_on_lease_renewal_failure=False),
    ):
        listing = list_night(job.source, night, lambda uri: recording_id(uri) in wanted)
        hide(listing.identities())
        with writing(job.data, job.warehouse) as connection, at_work(connection):
            plan = plan_night(connection, listing, job)
            log.info("%d of %d recordings are to be scored", len(plan.pending), len(wanted))
            for rejection in plan.rejections:
                store.add_quarantine(connection, quarantine_record(rejection, night, str(run_id)))
            score_sessions(connection, plan.pending, job, str(run_id))


def _require_same_places(job: Job, run_id: str) -> None:
    """Refuse a machine that reads or stores elsewhere than the nightly run: its shard would end well and be missed."""
    require_existing(job.warehouse)
    with writing(job.data, job.warehouse) as connection:
        if not queries.knows_run(connection, run_id):
            raise ConfigurationError(
                f"warehouse {job.warehouse}: does not know the nightly run; give every worker the same PMFER_WAREHOUSE"
            )
    if job.night not in list_nights(job.source):
        raise ConfigurationError(
            f"source {job.source.url}: has no folder {job.night} on this machine; mount it as the nightly run has it"
        )


def _bundle(settings: Settings, address: str, digest: str) -> Bundle:
    try:
        return find_bundle(digest, address, settings.bundle)
    except BundleError as error:
        raise BundleError(
            f"{error}, and the night is scored with it; copy its folder to {address} on this machine, or wherever its "
            "PMFER_BUNDLE says"
        ) from None


def _require_same_method(job: Job, options_sha256: str) -> None:
    if job.provenance.options_sha256 != options_sha256:
        raise ConfigurationError(
            f"detector {job.options.detector}: its file, or the release, is not the one that the night is scored "
            "with; install the same release, or copy the same file to this machine"
        )
