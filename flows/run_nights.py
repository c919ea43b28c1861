"""Nights as a command runs them: what has something to do, whoever is told of it.

Without a server of Prefect a night has no use for Prefect, and does not load it. With one it is told; a server that
cannot be told costs a line, and workers if they were to score.
"""

import logging
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

from flows.prefect_server import login_to_server, server_fault
from flows.request import RunRequest
from flows.settings import Dispatch, prefect_server, prepare_prefect
from pmfer.errors import ConfigurationError, PmferError

log = logging.getLogger("pmfer.nightly")


def run_tonight(request: RunRequest) -> None:
    """Run the night of the day before, and then earlier nights that are not finished.

    Raises:
        PmferError: tonight failed. An earlier one that did is a line, and tried again by the next run.
    """
    from flows.nightly import tonight_and_before

    night = date.today() - timedelta(days=1)
    _show(request, "nightly", f"nightly {night}", partial(tonight_and_before, request, night, before=True))


def run_nights(request: RunRequest, first: date, last: date, say: Callable[[str], None]) -> bool:
    """Run the nights from first to last that have something to do; False when all was done before, which `say` is told.

    Raises:
        PmferError: a night failed; those before it are done.
    """
    span = str(first) if first == last else f"{first} to {last}"
    due = _first_due_night(request, first, last)
    if due is None:
        from flows.monitoring import report_end

        say(f"{span}: nothing to do")
        report_end(request.place(), last, done_before=True)
        return False
    from flows.nightly import each_night, one_night

    if due == last:
        _show(request, "nightly", f"nightly {last}", partial(one_night, request, last))
    else:
        _show(request, "backfill", f"backfill {span}", partial(each_night, request, due, last))
    return True


def _first_due_night(request: RunRequest, first: date, last: date) -> date | None:
    from flows.catch_up import first_due_night
    from flows.monitoring import report_failure
    from flows.unfinished import note_failed

    settings, data = request.place(), request.data()
    try:
        data.require_writable()
        data.require_room()
        return first_due_night(request, first, last)
    except (PmferError, OSError) as error:
        # No night has begun that would leave a trace of it.
        report_failure(settings, first if first == last else None, error)
        if first == last and data.root.is_dir():
            note_failed(data, first)
        raise


def _show(request: RunRequest, name: str, run_name: str, body: Callable[[], object]) -> None:
    """Do some work, shown as a run of a flow where a server is there to be told."""
    from flows.prefect_runs import as_flow, telling

    url = prefect_server()
    if not url:
        body()
        return
    settings = request.place()
    login = login_to_server(settings)
    trouble = server_fault(url, login)
    if trouble and (request.dispatch or settings.dispatch) is Dispatch.WORKERS:
        raise ConfigurationError(f"Prefect server {trouble}")
    if trouble:
        log.warning("Prefect server %s; it is not told of this run, which goes on without", trouble)
        body()
        return
    prepare_prefect(request.data().prefect_home, login)
    with telling():
        as_flow(name, run_name, body)
