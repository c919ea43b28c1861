"""Many reports at once, in processes of their own, because laying out a page keeps one core busy.

What is written was read and compared before; a process gets finished reports and reads nothing but fonts and templates.
"""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from jinja2 import TemplateError

from pmfer.errors import ReportError
from reports.files import Order, write_files
from reports.patient import PatientReport

DIED = "the process that made it died, of lack of memory perhaps; let fewer processes work at once"
IGNORE_CTRL_C = (signal.SIGINT, signal.SIG_IGN)  # it is the parent's to answer
ORDERS_PER_PROCESS = 4  # a process takes a second or two to start: for fewer it is not worth it


@dataclass(frozen=True)
class Outcome:
    """What became of an order."""

    order: Order
    error: str | None  # one line that says what was wrong; None: every file is written


def write_all(orders: Sequence[Order], processes: int) -> Iterator[Outcome]:
    """Write the files of many orders; outcomes come as they are done, in no fixed order.

    A report that cannot be made is an outcome with an error, and so is one whose process dies, of lack of memory for
    example: the others are written all the same.

    Args:
        orders: what to write.
        processes: how many to use at most, at least 1; with 1 the work is done in this process.
    """
    used = min(processes, -(-len(orders) // ORDERS_PER_PROCESS))
    if used <= 1:
        yield from (Outcome(order, _attempt(order)) for order in orders)
        return
    waiting = dict(enumerate(orders))
    with _pool(used) as pool:
        futures = {pool.submit(_attempt, order): number for number, order in waiting.items()}
        try:
            for future in as_completed(futures):
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield Outcome(waiting.pop(futures[future]), future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # interrupted: nobody waits for what is left
            raise
    yield from _one_by_one(list(waiting.values()))


def _one_by_one(orders: Sequence[Order]) -> Iterator[Outcome]:
    """What was left when a process died and took its pool along: one at a time, so that it is known which one it is."""
    left = list(orders)
    while left:
        with _pool(1) as pool:
            while left:
                order = left.pop(0)
                attempt = pool.submit(_attempt, order)
                if isinstance(attempt.exception(), BrokenProcessPool):
                    yield Outcome(order, f"report of {_whose(order)}: {DIED}")
                    break
                yield Outcome(order, attempt.result())


def _attempt(order: Order) -> str | None:
    try:
        write_files(order)
    except ReportError as error:
        return str(error)
    except TemplateError as error:
        return f"report of {_whose(order)}: its template is wrong ({error}); install this release again"
    except MemoryError:
        return f"report of {_whose(order)}: there is not enough memory for it; let fewer processes work at once"
    return None


def _pool(processes: int) -> ProcessPoolExecutor:
    """Fresh processes: a fork would copy the locks of the threads that Prefect, polars and DuckDB run."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=signal.signal, initargs=IGNORE_CTRL_C)


def _whose(order: Order) -> str:
    return f"patient {order.report.patient_id}" if isinstance(order.report, PatientReport) else "the ward"
