"""The flow of one shard: some sessions of a night, scored by a worker on any machine and stored in the common lake."""

import logging
from pathlib import Path

from prefect import flow
from prefect.concurrency.sync import concurrency

from flows.job import Job, job_of
from flows.logs import hide, log_context, nameless_errors
from flows.night import plan_night, quarantine_record
from flows.process import set_up_worker
from flows.scoring import score_sessions
from flows.settings import Settings, read_settings
from flows.shards import ShardRequest, recording_id
from flows.sources import list_night, list_nights
from flows.writing import require_existing, writing
from pmfer.bundle import Bundle, find_bundle
from pmfer.errors import BundleError, ConfigurationError
from warehouse import queries, store
from warehouse.transaction import at_work

LIMIT = "pmfer-shards"  # global limit of shards that run at the same time, whatever pool they are in

log = logging.getLogger("pmfer.shard")


@flow(name="score-shard")
def score_shard(request: ShardRequest, data_dir: Path | None = None) -> None:
    """Score some sessions of a night; the nightly flow starts this one.

    Args:
        request: which sessions, and what the nightly run decided. This machine must reach the source too, and have the
            bundle, in the same folder or where PMFER_BUNDLE says.
        data_dir: folder for copies while they are scored; left out, PMFER_DATA_DIR of this machine.

    Raises:
        PmferError: the source or the warehouse cannot be used or is another one than that of the nightly run, or the
            bundle or the detector of the nightly run is not on this machine.
    """
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    job = job_of(request.run, settings, request.night, _bundle(settings, request), request.options)
    _require_same_method(job, request.options_sha256)
    job.data.require_writable()
    run_id, wanted = str(request.run_id), frozenset(request.recordings)
    _require_same_places(job, run_id)
    # A lease that cannot be renewed for a while is no reason to throw away what is half scored.
    with (
        nameless_errors(),
        log_context(run=run_id, shard=str(request.shard)),
        concurrency(LIMIT, strict=True, raise_on_lease_renewal_failure=False),
    ):
        listing = list_night(job.source, job.night, lambda uri: recording_id(uri) in wanted)
        hide(listing.identities())
        with writing(job.data, job.warehouse) as writer, at_work(writer.connection):
            connection = writer.connection
            plan = plan_night(connection, listing, job)
            log.info("%d of %d recordings are to be scored", len(plan.pending), len(wanted))
            for rejection in plan.rejections:
                store.add_quarantine(connection, quarantine_record(rejection, job.night, run_id))
            score_sessions(connection, plan.pending, job, run_id)


def _require_same_places(job: Job, run_id: str) -> None:
    """Refuse a machine that reads or stores elsewhere than the nightly run: its shard would end well and be missed."""
    require_existing(job.warehouse)
    with writing(job.data, job.warehouse) as writer:
        if not queries.knows_run(writer.connection, run_id):
            raise ConfigurationError(
                f"warehouse {job.warehouse}: does not know the nightly run; give every worker the same PMFER_WAREHOUSE"
            )
    if job.night not in list_nights(job.source):
        raise ConfigurationError(
            f"source {job.source.url}: has no folder {job.night} on this machine; mount it as the nightly run has it"
        )


def _bundle(settings: Settings, request: ShardRequest) -> Bundle:
    address = request.run.bundle
    assert address is not None, "the nightly run resolves it"
    try:
        return find_bundle(request.bundle_id, address, settings.bundle)
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
