"""Show a night to Prefect: its flows, steps and tables, where there is a server to show them to.

No night depends on it. Work is handed to Prefect to be shown, and is done whatever becomes of that: once, with its own
result or its own error. After the first failure nothing more is told, so that a server that went away costs one wait.
"""

import functools
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from flows.prefect_client import prefect_server, prepare_prefect
from flows.prefect_server import login_to_server, server_fault
from flows.request import RunRequest
from flows.settings import Dispatch
from flows.sources.source import SourceGoneError
from pmfer.errors import ConfigurationError, PmferError

log = logging.getLogger("pmfer.nightly")

P = ParamSpec("P")
T = TypeVar("T")

Show = Callable[[Callable[[], None]], object]  # does some work inside of what Prefect shows of it


class _Teller:
    """Whether Prefect is still told of a run."""

    def __init__(self) -> None:
        self.silent = False

    def give_up(self, trouble: Exception) -> None:
        """Tell nothing more, and say so once."""
        if not self.silent:
            self.silent = True
            reason = (str(trouble).splitlines() or [""])[0]
            log.warning(
                "Prefect's server did not receive the rest of this run (%s: %s); nothing that is stored or "
                "written depends on it",
                type(trouble).__name__,
                reason or "no reason given",
            )


_teller: ContextVar[_Teller | None] = ContextVar("pmfer_teller", default=None)
_last: ContextVar[_Teller | None] = ContextVar("pmfer_last_teller", default=None)


@contextmanager
def telling() -> Iterator[None]:
    """Tell Prefect of what is done inside; elsewhere nothing here needs Prefect or imports it."""
    teller = _Teller()
    token = _teller.set(teller)
    try:
        yield
    finally:
        _teller.reset(token)
        _last.set(teller)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """End a command at once if Prefect could not be told of its run: Prefect's threads would try on for minutes."""
    token = _last.set(None)
    try:
        yield
    except SystemExit as ending:
        teller = _last.get()
        if teller is not None and teller.silent:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ending.code if isinstance(ending.code, int) else int(ending.code is not None))
        raise
    finally:
        _last.reset(token)


def tell_server(request: RunRequest, name: str, run_name: str, body: Callable[[], T]) -> T:
    """Do some work of a command, shown as a run of a flow where a server is there to be told.

    Without a server a night has no use for Prefect, and does not load it. A server that cannot be told costs a line,
    and ends a run that needs workers.

    Raises:
        ConfigurationError: workers were to score, and the server cannot be used.
    """
    url = prefect_server()
    if not url:
        return body()
    settings = request.place()
    login = login_to_server(settings)
    trouble = server_fault(url, login)
    if trouble and (request.dispatch or settings.dispatch) is Dispatch.WORKERS:
        raise ConfigurationError(f"Prefect server {trouble}")
    if trouble:
        log.warning("Prefect server %s; this run continues without it", trouble)
        return body()
    prepare_prefect(settings, login)
    with telling():
        return as_flow(name, run_name, body)


def as_flow(name: str, run_name: str, body: Callable[[], T]) -> T:
    """Do some work, shown as a run of a flow."""

    def show(work: Callable[[], None]) -> None:
        from prefect import flow

        flow(name=name, flow_run_name=run_name)(work)()

    return _told(show, body)


def as_task(name: str, body: Callable[[], T]) -> T:
    """Do some work, shown as a task of the flow that runs."""

    def show(work: Callable[[], None]) -> None:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        task(name=name, cache_policy=NO_CACHE)(work)()

    return _told(show, body)


def show_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Leave a table with the run."""

    def show(work: Callable[[], None]) -> None:
        from prefect.artifacts import create_table_artifact

        create_table_artifact(table=[dict(row) for row in rows], key=key, description=description)
        work()

    _told(show, lambda: None)


def _told(show: Show, body: Callable[[], T]) -> T:
    teller = _teller.get()
    if teller is None or teller.silent:
        return body()
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(body())
        except BaseException as error:
            errors.append(error)
            raise

    try:
        show(work)
    except Exception as trouble:
        if trouble not in errors:
            teller.give_up(trouble)
    if errors:
        raise errors[0]
    return results[0] if results else body()


def worth_retrying(error: Exception) -> bool:
    """Whether what failed may succeed if it is tried again: what names its own cause does not change by waiting."""
    return not isinstance(error, PmferError) or isinstance(error, SourceGoneError)


def step(
    name: str, waits: Sequence[float] = (), again: Callable[[Exception], bool] = worth_retrying
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A step of a night, by the name that Prefect shows.

    Args:
        name: what it is called.
        waits: seconds before it is tried for the second time, the third and so on.
        again: whether an error is worth that.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            return as_task(name, lambda: _persistent(name, lambda: function(*args, **kwargs), waits, again))

        return run

    return decorate


def _persistent(name: str, attempt: Callable[[], T], waits: Sequence[float], again: Callable[[Exception], bool]) -> T:
    for wait_s in waits:
        try:
            return attempt()
        except Exception as error:
            if not again(error):
                raise
            log.warning("%s: failed (%s); retrying in %g s", name, type(error).__name__, wait_s)
            time.sleep(wait_s)
    return attempt()
