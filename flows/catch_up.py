"""Many nights: which of them have something to do, and the flow that works through them in order."""

import logging
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.job import make_job
from flows.night import NightOutcome, plan_night
from flows.nightly import nightly, something_to_do
from flows.settings import Dispatch
from flows.sources import list_night
from flows.unfinished import note_unready
from flows.writing import writing
from pmfer.errors import ConfigurationError
from warehouse.publish import publish

log = logging.getLogger("pmfer.nightly")


@flow(name="backfill", flow_run_name="backfill {first} to {last}")
def backfill(
    source: str,
    data_dir: Path,
    first: date,
    last: date,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: Annotated[float, Field(gt=0)] | None = None,
    dispatch_to: Dispatch | None = None,
) -> list[NightOutcome]:
    """Process the nights from `first` to `last`, both included, in order; what is done already is left alone.

    Args:
        source: as for `nightly`, and so the arguments after `last`.
        data_dir: as for `nightly`.
        first: the first day.
        last: the last day, not before the first.
        bundle: as for `nightly`.
        detector: as for `nightly`.
        frames_per_second: as for `nightly`.
        dispatch_to: as for `nightly`.

    Raises:
        PmferError: as for `nightly`, and `last` lies before `first`.
    """
    if last < first:
        raise ConfigurationError(f"last {last} lies before first {first}; swap them")
    nights = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [nightly(source, data_dir, night, bundle, detector, frames_per_second, dispatch_to) for night in nights]


def first_due_night(
    source: str,
    data_dir: Path,
    first: date,
    last: date,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: float | None = None,
    dispatch_to: Dispatch | None = None,
) -> date | None:
    """The first night from `first` to `last` with something to do, None if all is done. Starts no Prefect run.

    Raises:
        ConfigurationError: `last` lies before `first`, or the source cannot be used.
    """
    if last < first:
        raise ConfigurationError(f"--to {last} lies before --from {first}; swap them")
    job = make_job(source, first, data_dir, bundle, detector, frames_per_second, dispatch_to)
    listings = [list_night(job.source, first + timedelta(days=offset)) for offset in range((last - first).days + 1)]
    job.data.require_writable()
    with writing(job.data, job.warehouse) as connection:
        for listing in listings:
            note_unready(job.data, listing.night, len(listing.unready))
            night = replace(job, night=listing.night)
            if something_to_do(connection, plan_night(connection, listing, night), night):
                return listing.night
        # A run whose last publication failed, for want of room say, has nothing else left to do.
        publish(connection, job.warehouse)
    for listing in listings:
        if listing.unready:
            count = len(listing.unready)
            log.info("%s: %d sessions still being uploaded, left for next time", listing.night, count)
    return None
