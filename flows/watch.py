"""What is seen of a night from outside: how long its stages take, its metrics file, and who is told how it ended."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from flows.data_folder import DataFolder
from flows.logs import nameless_errors
from flows.metrics import NightFigures, NightMetrics, write_metrics
from flows.night import NightOutcome
from flows.notify import notify_end, notify_failure
from flows.process import set_up_worker
from flows.request import RunRequest
from flows.settings import Settings
from flows.warehouse_address import warehouse_address
from pmfer.errors import PmferError, QuarantineReason
from warehouse import queries
from warehouse.connection import open_reader

log = logging.getLogger("pmfer.watch")

_stages: ContextVar[dict[str, float] | None] = ContextVar("pmfer_stages", default=None)
_beside: ContextVar[bool] = ContextVar("pmfer_beside", default=False)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time inside as that of a stage, if a night is watched. Serves as a decorator too."""
    began = time.monotonic()
    try:
        with nameless_errors():
            yield
    finally:
        stages = _stages.get()
        if stages is not None:
            stages[name] = stages.get(name, 0.0) + time.monotonic() - began


@contextmanager
def beside_tonight() -> Iterator[None]:
    """Nights inside are told of by notices, and leave the metrics to the night that comes before them."""
    token = _beside.set(True)
    try:
        yield
    finally:
        _beside.reset(token)


def watched(function: Callable[[RunRequest, date], NightOutcome]) -> Callable[[RunRequest, date], NightOutcome]:
    """A night that writes its metrics and tells how it ended, whoever runs it: a command or a worker.

    Trouble with metrics or notices is a warning, never an error.
    """

    @functools.wraps(function)
    def run(request: RunRequest, night: date) -> NightOutcome:
        settings = request.place()
        set_up_worker(settings)
        token, began = _stages.set({}), time.monotonic()
        try:
            with nameless_errors():
                outcome = function(request, night)
        except (KeyboardInterrupt, SystemExit):
            raise  # whoever stopped it knows
        except BaseException as error:
            report_failure(settings, night, error, time.monotonic() - began)
            raise
        else:
            report_end(settings, outcome.night, time.monotonic() - began)
            return outcome
        finally:
            _stages.reset(token)

    return run


def report_failure(settings: Settings, night: date | None, error: BaseException, run_s: float = 0.0) -> None:
    """Leave a failure in the metrics file and tell of it."""
    _write(settings, NightMetrics(False, datetime.now(UTC), run_s, dict(_stages.get() or {})))
    notify_failure(settings, night, error)


def report_end(settings: Settings, night: date, run_s: float = 0.0, *, done_before: bool = False) -> None:
    """Leave the figures of a night that is done in the metrics file and tell of it, unless it was told before."""
    try:
        figures = night_figures(settings, night)
    except PmferError as error:
        log.warning("no figures of %s: %s", night, error)
        figures = None
    _write(settings, NightMetrics(True, datetime.now(UTC), run_s, dict(_stages.get() or {}), figures))
    if figures is None or not done_before:
        notify_end(settings, night, figures)


def night_figures(settings: Settings, night: date) -> NightFigures | None:
    """A night as readers see it; None if they see none.

    Raises:
        PmferError: the warehouse cannot be read.
    """
    with closing(open_reader(warehouse_address(settings))) as reader:
        rows = queries.nights(reader, 1, night)
        reasons = queries.quarantine(reader, night)["reason"].to_list()
    if rows.is_empty():
        return None
    row: dict[str, Any] = rows.row(0, named=True)
    names = ("sessions_found", "sessions_stored", "frames_sampled", "frames_scored", "video_s", "abstention_share")
    return NightFigures(
        night=night,
        reports=row["reports"],
        set_aside={QuarantineReason(reason): reasons.count(reason) for reason in set(reasons)},
        **{name: row[name] for name in names},
    )


def metrics_path(settings: Settings) -> Path:
    """Where the metrics file lies."""
    return settings.metrics_file or DataFolder(settings.data_dir.absolute()).metrics


def _write(settings: Settings, metrics: NightMetrics) -> None:
    if _beside.get():
        return
    path = metrics_path(settings)
    try:
        write_metrics(path, metrics)
    except OSError as error:
        log.warning("metrics %s: cannot be written (%s)", path, error.strerror)
