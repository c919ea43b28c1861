"""`pmfer nightly`, `backfill`, `report`, `report-schema`; and `demo` and `simulate`, which make a ward for them."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DEMO,
    BundleName,
    DataDir,
    Detector,
    DispatchTo,
    First,
    Fps,
    Last,
    Source,
    night_of,
    source_given,
    where_to_look,
)
from flows.plain_text import PlainConsole
from flows.request import RunRequest
from flows.settings import Dispatch, read_settings
from reports import Format

app = typer.Typer()


@app.command()
def nightly(
    night: Annotated[
        str | None, typer.Option("--date", help="Day to process, YYYY-MM-DD. [default: yesterday and unfinished days]")
    ] = None,
    source: Source = None,
    data_dir: DataDir = None,
    bundle: BundleName = None,
    detector: Detector = None,
    fps: Fps = None,
    dispatch: DispatchTo = None,
) -> None:
    """Process one day: find its sessions, score and store them, publish the warehouse, write the reports.

    Without --date it processes yesterday, then any earlier days that are not finished or have late recordings.
    """
    from flows.nightly import run_nights, run_tonight

    request = _request(source, data_dir, bundle, detector, fps, dispatch)
    if night is None:
        run_tonight(request)
    else:
        run_nights(request, night_of(night), night_of(night), typer.echo)


@app.command()
def backfill(
    first: First,
    last: Last,
    source: Source = None,
    data_dir: DataDir = None,
    bundle: BundleName = None,
    detector: Detector = None,
    fps: Fps = None,
    dispatch: DispatchTo = None,
) -> None:
    """Process several days in order; work that is already done is not repeated."""
    from flows.nightly import run_nights

    request = _request(source, data_dir, bundle, detector, fps, dispatch)
    run_nights(request, night_of(first), night_of(last), typer.echo)


@app.command()
def report(
    night: Annotated[str, typer.Option("--date", help="Day to report on, YYYY-MM-DD.")],
    patient: Annotated[
        str | None,
        typer.Option(help="Pseudonym of one patient. [default: all patients of the day, and the ward overview]"),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Format to write; may be repeated. [default: PMFER_REPORT_FORMATS, or pdf]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write unrecorded copies to this folder. [default: write to DATA_DIR/reports, and record it]"
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Render the reports of a day again, from the warehouse; see docs/reports.md."""
    from flows.printing import printing_of
    from flows.report import render_by_hand
    from flows.warehouse_access import access_of

    settings = read_settings(data_dir=where_to_look(data_dir))
    printing = printing_of(settings, formats or ())
    for path in render_by_hand(access_of(settings), night_of(night), patient, printing, out):
        typer.echo(path)


@app.command("report-schema")
def report_schema() -> None:
    """Print the JSON Schema of the reports that --format json writes."""
    from reports.document import report_schema as schema

    typer.echo(schema(), nl=False)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Source folder to write.")],
    first: First = "2026-03-02",
    days: Annotated[int, typer.Option(min=1, help="Number of days to simulate.")] = 21,
    seed: Annotated[int, typer.Option(help="Random seed; each seed gives a different ward.")] = 0,
) -> None:
    """Simulate a ward of synthetic patients whose true expressions are known; see docs/simulator.md."""
    from cli.demo import simulate_ward

    first_day = night_of(first)
    simulate_ward(out, first_day, days, seed, PlainConsole())
    typer.echo(f"{out}: a ward from {first_day} to {first_day + timedelta(days=days - 1)}")


@app.command()
def demo(data_dir: Annotated[Path, typer.Option(help="Folder for the videos and all results.")] = DEMO) -> None:
    """Simulate a ward for three weeks, run the nightly flow on it and print where the results are."""
    from cli.demo import run_demo

    run_demo(data_dir, PlainConsole())


def _request(
    source: str | None,
    data_dir: Path | None,
    bundle: str | None,
    detector: str | None,
    fps: float | None,
    dispatch: Dispatch | None,
) -> RunRequest:
    return RunRequest(
        source=source_given(source),
        data_dir=data_dir,
        bundle=bundle,
        detector=detector,
        frames_per_second=fps,
        dispatch=dispatch,
    )
