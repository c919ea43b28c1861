"""Steps of a night: tried again where that may help, and told to Prefect where it is told of the run."""

import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from flows.sources import SourceGoneError
from flows.telling import as_task
from pmfer.errors import PmferError

log = logging.getLogger("pmfer.nightly")

P = ParamSpec("P")
T = TypeVar("T")


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
            log.warning("%s: failed (%s); it is tried again in %g s", name, type(error).__name__, wait_s)
            time.sleep(wait_s)
    return attempt()
