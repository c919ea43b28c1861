"""Many nights: which of them have something to do, and the flow that works through them in order."""

import logging
from datetime import date, timedelta
from pathlib import Path

from prefect import flow

from flows.job import make_job
from flows.night import NightOutcome, plan_night
from flows.nightly import nightly
from flows.reporting import due_reports
from flows.sources import list_night
from flows.unfinished import note_unready
from flows.writing import writing
from pmfer.errors import ConfigurationError

log = logging.getLogger("pmfer.nightly")


@flow(name="backfill", flow_run_name="backfill {first} to {last}")
def backfill(
    source: str,
    data_dir: Path,
    first: date,
    last: date,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: float | None = None,
) -> list[NightOutcome]:
    """Process the nights from `first` to `last`, both included, in order; other arguments as for `nightly`."""
    nights = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [nightly(source, data_dir, night, bundle, detector, frames_per_second) for night in nights]


def first_due_night(
    source: str,
    data_dir: Path,
    first: date,
    last: date,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: float | None = None,
) -> date | None:
    """The first night from `first` to `last` with something to do, None if all is done. Starts no Prefect run.

    Raises:
        ConfigurationError: `last` lies before `first`, or the source cannot be used.
    """
    if last < first:
        raise ConfigurationError(f"--to {last} lies before --from {first}; swap them")
    job = make_job(source, first, data_dir, bundle, detector, frames_per_second)
    listings = [list_night(job.source, first + timedelta(days=offset)) for offset in range((last - first).days + 1)]
    job.data.require_writable()
    with writing(job.data, job.warehouse) as connection:
        for listing in listings:
            note_unready(job.data, listing.night, len(listing.unready))
            if not plan_night(connection, listing, job).nothing_new:
                return listing.night
            if due_reports(connection, listing.night, job.provenance, job.data, job.printing):
                return listing.night
    for listing in listings:
        if listing.unready:
            count = len(listing.unready)
            log.info("%s: %d sessions still being uploaded, left for next time", listing.night, count)
    return None
