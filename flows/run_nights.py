"""Nights as a command runs them: what has something to do, whoever is told of it.

Without a server of Prefect a night has no use for Prefect, and does not load it. With one it is told; a server that
cannot be told costs a line, and workers if they were to score.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flows.data_folder import DataFolder
from flows.prefect_server import login_to_server, server_fault
from flows.settings import Dispatch, Settings, prefect_server, prepare_prefect, read_settings
from pmfer.errors import ConfigurationError, PmferError

if TYPE_CHECKING:
    from flows.night import NightOutcome

log = logging.getLogger("pmfer.nightly")


@dataclass(frozen=True)
class Given:
    """What a command gives to each night; None: it is left to the settings."""

    source: str
    data_dir: Path | None = None
    bundle: str | None = None
    detector: str | None = None
    frames_per_second: float | None = None
    dispatch: Dispatch | None = None

    @property
    def options(self) -> tuple[str | None, str | None, float | None, Dispatch | None]:
        """Bundle, detector, frames per second and dispatch."""
        return self.bundle, self.detector, self.frames_per_second, self.dispatch


def run_tonight(given: Given) -> None:
    """Run the night of the day before, and then earlier nights that are not finished.

    Raises:
        PmferError: tonight failed. An earlier one that did is a line, and tried again by the next run.
    """
    settings = read_settings(data_dir=given.data_dir)
    root = settings.data_dir.absolute()
    from flows.nightly import tonight_and_before

    night = date.today() - timedelta(days=1)

    run = partial(_one_night, given, root)
    tonight = partial(tonight_and_before, night, given.source, root, run, before=True)
    _show(given, settings, "nightly", f"nightly {night}", tonight)


def run_nights(given: Given, first: date, last: date, say: Callable[[str], None]) -> bool:
    """Run the nights from first to last that have something to do; False when all was done before, which `say` is told.

    Raises:
        PmferError: a night failed; those before it are done.
    """
    settings = read_settings(data_dir=given.data_dir)
    data = DataFolder(settings.data_dir.absolute())
    span = str(first) if first == last else f"{first} to {last}"
    due = _first_due_night(given, settings, data, first, last)
    if due is None:
        from flows.watch import report_end

        say(f"{span}: nothing to do")
        report_end(settings, last, done_before=True)
        return False
    run = partial(_one_night, given, data.root)
    if due == last:
        _show(given, settings, "nightly", f"nightly {last}", partial(run, last))
    else:
        from flows.nightly import each_night

        _show(given, settings, "backfill", f"backfill {span}", partial(each_night, due, last, run))
    return True


def _one_night(given: Given, root: Path, night: date) -> "NightOutcome":
    from flows.nightly import one_night

    return one_night(given.source, root, night, *given.options)


def _first_due_night(given: Given, settings: Settings, data: DataFolder, first: date, last: date) -> date | None:
    from flows.catch_up import first_due_night
    from flows.unfinished import note_failed
    from flows.watch import report_failure

    try:
        data.require_writable()
        data.require_room()
        return first_due_night(given.source, data.root, first, last, *given.options)
    except (PmferError, OSError) as error:
        # No night has begun that would leave a trace of it.
        report_failure(settings, first if first == last else None, error)
        if first == last and data.root.is_dir():
            note_failed(data, first)
        raise


def _show(given: Given, settings: Settings, name: str, run_name: str, body: Callable[[], object]) -> None:
    """Do some work, shown as a run of a flow where a server is there to be told."""
    from flows.telling import as_flow, telling

    url = prefect_server()
    if not url:
        body()
        return
    login = login_to_server(settings)
    trouble = server_fault(url, login)
    if trouble and (given.dispatch or settings.dispatch) is Dispatch.WORKERS:
        raise ConfigurationError(f"Prefect server {trouble}")
    if trouble:
        log.warning("Prefect server %s; it is not told of this run, which goes on without", trouble)
        body()
        return
    prepare_prefect(DataFolder(settings.data_dir.absolute()).prefect_home, login)
    with telling():
        as_flow(name, run_name, body)
