"""Many nights: which of them have something to do."""

import logging
from dataclasses import replace
from datetime import date, timedelta

from flows.job import make_job
from flows.night import plan_night
from flows.nightly import something_to_do
from flows.request import RunRequest
from flows.sources import list_night
from flows.unfinished import note_waiting
from flows.writing import writing
from pmfer.errors import ConfigurationError

log = logging.getLogger("pmfer.nightly")


def first_due_night(request: RunRequest, first: date, last: date) -> date | None:
    """The first night from `first` to `last` with something to do, None if all is done.

    Raises:
        ConfigurationError: `last` lies before `first`, or the source cannot be used.
    """
    if last < first:
        raise ConfigurationError(f"--to {last} lies before --from {first}; swap them")
    job = make_job(request, first)
    listings = [list_night(job.source, first + timedelta(days=offset)) for offset in range((last - first).days + 1)]
    job.data.require_writable()
    with writing(job.data, job.warehouse) as writer:
        for listing in listings:
            night = replace(job, night=listing.night)
            if something_to_do(writer.connection, plan_night(writer.connection, listing, night), night):
                return listing.night
            note_waiting(job.data, listing.night, len(listing.unready))
        # A run whose last publication failed, for want of room say, has nothing else left to do.
        writer.publish()
    for listing in listings:
        if listing.unready:
            count = len(listing.unready)
            log.info("%s: %d sessions still being uploaded, left for next time", listing.night, count)
    return None
