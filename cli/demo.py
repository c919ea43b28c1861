"""`pmfer demo` and `pmfer simulate`: run the real flow on a simulated ward."""

import time
from datetime import date
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.options import DEMO
from flows.data_folder import DataFolder
from flows.nightly import run_nights
from flows.plain_text import PlainConsole
from flows.request import RunRequest
from flows.settings import read_settings
from flows.warehouse_access import warehouse_address
from pmfer.errors import ConfigurationError
from simulator.patients import PATIENTS
from simulator.ward import WardPlan, write_ward
from warehouse.address import FileAddress

FIRST_DAY = date(2026, 3, 2)
DAYS = 21
SECONDS_PER_SESSION = 6.0  # long enough to contain episodes; three weeks take about ten minutes on two cores
QUERIES = (
    (
        "Who smiled less in the last week than before, in percent of the time seen",
        "SELECT patient_id, round(avg(happiness_percent) FILTER (session_date >= '2026-03-16'), 1) AS last_week, "
        "round(avg(happiness_percent) FILTER (session_date < '2026-03-16'), 1) AS before "
        "FROM plain.days GROUP BY patient_id ORDER BY last_week - before",
    ),
    (
        "How much of each patient's time could be scored, and what most often prevented it",
        "SELECT patient_id, count(*) AS sessions, round(avg(scored_percent)) AS scored_percent, "
        "mode(most_common_obstacle) AS most_common_obstacle FROM plain.sessions "
        "GROUP BY patient_id ORDER BY scored_percent",
    ),
    (
        "The moments of strongest brow lowering",
        "SELECT patient_id, local_time, au04, leading_expression FROM plain.frames "
        "ORDER BY au04 DESC NULLS LAST LIMIT 5",
    ),
)


def simulate_ward(folder: Path, first_day: date, days: int, seed: int, console: PlainConsole) -> None:
    """Write a simulated ward as a source folder; existing sessions are kept.

    Raises:
        ConfigurationError: the folder holds a ward made with another plan, or cannot be written.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing sessions", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            write_ward(
                folder,
                WardPlan(first_day, days=days, seed=seed, seconds_per_session=SECONDS_PER_SESSION),
                on_progress=show,
            )
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        except OSError as error:
            raise ConfigurationError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from None


def run_demo(data_dir: Path, console: PlainConsole) -> None:
    """Simulate three weeks, process them night by night, and print where the results are."""
    began = time.monotonic()
    source = data_dir / "source"
    console.print(f"1 Simulating a ward of {len(PATIENTS)} patients over {DAYS} days in {source}")
    simulate_ward(source, FIRST_DAY, DAYS, WardPlan.seed, console)
    console.print("2 Running the nightly flow for every day")
    last = date.fromordinal(FIRST_DAY.toordinal() + DAYS - 1)
    did_something = run_nights(RunRequest(source=str(source), data_dir=data_dir), FIRST_DAY, last, console.print)
    seconds = time.monotonic() - began
    if not did_something:
        console.print(f"Nothing to do: every night has already been processed ({seconds:.0f} s)", style="green")
    address = warehouse_address(read_settings(data_dir=data_dir))
    console.print(f"\nDone in {seconds:.0f} s.", style="bold")
    reports = DataFolder(data_dir).reports(last)
    console.print(f"  Reports   {reports}/   (ward.pdf and one PDF per patient)")
    if isinstance(address, FileAddress) and address.key is None:
        console.print(f"  Database  {DataFolder(data_dir).published}")
    else:
        console.print(f"  Database  {address}   (docs/warehouse.md says how to open it)")
    _print_queries(data_dir, console)


def _print_queries(data_dir: Path, console: PlainConsole) -> None:
    console.print("\nThree queries to try; docs/analysts.md has more:")
    option = "" if data_dir == DEMO else f"--data-dir {data_dir} "
    console.print(f'  .venv/bin/pmfer sql {option}"QUERY"')
    for title, query in QUERIES:
        console.print(f"\n  -- {title}\n  {query};")
