"""Show a night's flows, steps and tables in Prefect, if there is a server.

No night depends on it. Work is run through Prefect to be shown there, but it is done exactly once, with its own result
or error, even if Prefect fails. After the first failure nothing more is sent, so a dead server costs only one wait.
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

from flows.environment import prefect_server, prepare_prefect
from flows.prefect_server import login_to_server, server_fault
from flows.request import RunRequest
from flows.settings import Dispatch
from flows.sources.source import SourceGoneError
from pmfer.errors import ConfigurationError, PmferError

log = logging.getLogger("pmfer.nightly")

P = ParamSpec("P")
T = TypeVar("T")

Show = Callable[[Callable[[], None]], object]  # does some work within a flow or task of Prefect


class _Link:
    """The connection of a run to Prefect: open until the first failure."""

    def __init__(self) -> None:
        self.broken = False

    def give_up(self, trouble: Exception) -> None:
        """Send nothing more, and warn once."""
        if not self.broken:
            self.broken = True
            reason = (str(trouble).splitlines() or [""])[0]
            log.warning(
                "Prefect's server did not receive the rest of this run (%s: %s); nothing that is stored or "
                "written depends on it",
                type(trouble).__name__,
                reason or "no reason given",
            )


_link: ContextVar[_Link | None] = ContextVar("pmfer_prefect_link", default=None)
_last_link: ContextVar[_Link | None] = ContextVar("pmfer_last_prefect_link", default=None)


@contextmanager
def telling() -> Iterator[None]:
    """Show the work inside in Prefect. Outside such a block, nothing here needs Prefect or imports it."""
    link = _Link()
    token = _link.set(link)
    try:
        yield
    finally:
        _link.reset(token)
        _last_link.set(link)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Exit a command at once if Prefect's server failed: Prefect's threads would keep trying for minutes."""
    token = _last_link.set(None)
    try:
        yield
    except SystemExit as ending:
        link = _last_link.get()
        if link is not None and link.broken:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ending.code if isinstance(ending.code, int) else int(ending.code is not None))
        raise
    finally:
        _last_link.reset(token)


def tell_server(request: RunRequest, name: str, run_name: str, body: Callable[[], T]) -> T:
    """Do some work of a command; if there is a Prefect server, show it there as a run of a flow.

    Without a server a night does not need Prefect and does not load it. A server that cannot be used is only a warning,
    unless the run needs workers.

    Raises:
        ConfigurationError: workers are to score, and the server cannot be used.
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

    return _shown(show, body)


def as_task(name: str, body: Callable[[], T]) -> T:
    """Do some work, shown as a task of the current flow."""

    def show(work: Callable[[], None]) -> None:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        task(name=name, cache_policy=NO_CACHE)(work)()

    return _shown(show, body)


def show_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Attach a table to the run."""

    def show(work: Callable[[], None]) -> None:
        from prefect.artifacts import create_table_artifact

        create_table_artifact(table=[dict(row) for row in rows], key=key, description=description)
        work()

    _shown(show, lambda: None)


def _shown(show: Show, body: Callable[[], T]) -> T:
    link = _link.get()
    if link is None or link.broken:
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
            link.give_up(trouble)
    if errors:
        raise errors[0]
    return results[0] if results else body()


def worth_retrying(error: Exception) -> bool:
    """Whether a retry may succeed. Our own errors have a lasting cause, except for a source that is gone."""
    return not isinstance(error, PmferError) or isinstance(error, SourceGoneError)


def step(
    name: str, waits: Sequence[float] = (), again: Callable[[Exception], bool] = worth_retrying
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a function a step of a night, which Prefect shows as a task and which is retried if it fails.

    Args:
        name: the name that Prefect shows.
        waits: seconds before the second attempt, the third and so on.
        again: whether to retry after an error.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            return as_task(name, lambda: _retried(name, lambda: function(*args, **kwargs), waits, again))

        return run

    return decorate


def _retried(name: str, attempt: Callable[[], T], waits: Sequence[float], again: Callable[[Exception], bool]) -> T:
    for wait_s in waits:
        try:
            return attempt()
        except Exception as error:
            if not again(error):
                raise
            log.warning("%s: failed (%s); retrying in %g s", name, type(error).__name__, wait_s)
            time.sleep(wait_s)
    return attempt()
