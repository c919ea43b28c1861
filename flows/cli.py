"""The `pmfer` command line. Each command reads its options, calls one function of another module and prints.

Rooms that are heavy to import (torch, Prefect, WeasyPrint) are imported inside the command that needs them, so that
`pmfer --help` and `pmfer score` start quickly and a run without the `train` extra works.
"""

import errno
import io
import logging
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.config_command import config_app
from flows.console import PlainConsole, table_console
from flows.data_folder import DataFolder
from flows.deploy_command import deploy_app
from flows.interrupt import ended_by_signals
from flows.logs import set_up_logs, writes_json
from flows.ops_commands import ops_app
from flows.process import adapt_environment
from flows.quarantine_command import app as quarantine_app
from flows.run_nights import Given, run_nights, run_tonight
from flows.server_command import server_app
from flows.settings import Dispatch, Settings, read_settings
from flows.telling import leaving_at_once
from pmfer import __version__
from pmfer.errors import ConfigurationError, PmferError
from reports.format import Format

if TYPE_CHECKING:
    from warehouse.address import Address

_STORAGE_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}

app = typer.Typer(
    help="Facial expression monitoring in care: score videos, run the night, render reports, train the model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bundle_app = typer.Typer(help="Look at model bundles.", no_args_is_help=True)
warehouse_app = typer.Typer(help="Look after the warehouse.", no_args_is_help=True)
consent_app = typer.Typer(help="Keep the register of consents.", no_args_is_help=True)
events_app = typer.Typer(help="Take over care events.", no_args_is_help=True)
app.add_typer(bundle_app, name="bundle")
app.add_typer(config_app, name="config")
app.add_typer(ops_app)
app.add_typer(consent_app, name="consent")
app.add_typer(deploy_app)
app.add_typer(events_app, name="events")
app.add_typer(server_app)
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(warehouse_app, name="warehouse")

DataDir = Annotated[Path | None, typer.Option(help="Folder below which all state lies. [PMFER_DATA_DIR, var/pmfer]")]
BundleName = Annotated[str | None, typer.Option(help="Shipped bundle's name, or a folder. [PMFER_BUNDLE]")]
Detector = Annotated[str | None, typer.Option(help="centerface, or a YuNet .onnx file. [PMFER_DETECTOR]")]
Fps = Annotated[float | None, typer.Option(help="Frames sampled per second of video. [PMFER_FRAMES_PER_SECOND, 5]")]
Source = Annotated[
    str | None, typer.Option(help="Folder with one folder per day, or its s3:// or sftp:// URL. [PMFER_SOURCE]")
]
DispatchTo = Annotated[
    Dispatch | None,
    typer.Option("--dispatch", help="Who scores: this process, or Prefect workers. [PMFER_DISPATCH, process]"),
]
Data = Annotated[Path, typer.Option("--data", help="Data set: a file or folder; see docs/datasets.md.")]


def main() -> None:
    """Run the command line; an error that names its cause is one line on stderr and exit status 1."""
    with leaving_at_once():
        _run()


def _run() -> None:
    os.umask(0o077)  # everything written is its owner's alone, DuckDB's write-ahead log included
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that is no UTF-8 ends no command
    try:
        with ended_by_signals(_say_interrupted):
            app()
    except PmferError as error:
        _complain(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno not in _STORAGE_TROUBLE:
            raise
        where = error.filename2 or error.filename or "data folder"
        _complain(f"{where}: {error.strerror}; make room or give access, then run it again")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "onnx", "onnxscript", "transformers"}:
            raise
        sys.exit(
            f"pmfer: this command needs {error.name}; install the extra: pip install -c constraints.txt '.[train]'"
        )


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Set up what all commands share."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    try:
        settings = read_settings()
    except ConfigurationError:
        # A command that needs settings says what is wrong with them; pmfer doctor and pmfer score --help do not.
        settings = Settings.model_construct()
    adapt_environment(settings)
    set_up_logs(settings)


@app.command()
def score(
    videos: Annotated[list[Path], typer.Argument(help="Video files.")],
    out: Annotated[Path, typer.Option(help="Folder for STEM.parquet of each video.")],
    fps: Annotated[float | None, typer.Option(min=0.01, help="Frames sampled per second of video. [5]")] = None,
    every_frame: Annotated[bool, typer.Option("--every-frame", help="Score every frame.")] = False,
    int8: Annotated[
        bool | None, typer.Option("--int8/--float32", help="Precision of the model. [PMFER_INT8, by the machine]")
    ] = None,
    bundle: BundleName = None,
    detector: Detector = None,
) -> None:
    """Score videos into Parquet files, without a warehouse."""
    from flows.score_command import score_videos, summary_table
    from flows.settings import limits_of
    from inference.options import ScoringOptions
    from inference.process import ScoringProcess
    from pmfer.bundle import load_bundle

    if every_frame and fps is not None:
        raise ConfigurationError("--fps and --every-frame exclude each other; give one of them")
    settings = read_settings(bundle=bundle, detector=detector, frames_per_second=fps, int8=int8)
    options = ScoringOptions(
        frames_per_second=None if every_frame else settings.frames_per_second,
        detector=settings.detector,
        int8=settings.scores_in_int8,
    )
    console = table_console()
    with ScoringProcess(load_bundle(settings.bundle), options, limits_of(settings)) as scorer:
        results = score_videos(scorer, videos, out, console)
    console.print(summary_table(results))
    failures = [result for result in results if result.error]
    for result in results:
        if result.error:
            _complain(result.error)
        elif result.summary and result.summary.warning:
            _complain(f"{result.video.name}: {result.summary.warning}")
    if failures:
        raise typer.Exit(1)


@app.command()
def nightly(
    night: Annotated[str | None, typer.Option("--date", help="The day, YYYY-MM-DD. [yesterday]")] = None,
    source: Source = None,
    data_dir: DataDir = None,
    bundle: BundleName = None,
    detector: Detector = None,
    fps: Fps = None,
    dispatch: DispatchTo = None,
) -> None:
    """Process one day: find, score, store, publish, report.

    Without --date that is yesterday, and then come earlier days that are not finished.
    """
    given = Given(_source(source), data_dir, bundle, detector, fps, dispatch)
    if night:
        run_nights(given, _day(night), _day(night))
    else:
        run_tonight(given)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")],
    source: Source = None,
    data_dir: DataDir = None,
    bundle: BundleName = None,
    detector: Detector = None,
    fps: Fps = None,
    dispatch: DispatchTo = None,
) -> None:
    """Process several days in order; what is done already is left alone."""
    run_nights(Given(_source(source), data_dir, bundle, detector, fps, dispatch), _day(first), _day(last))


@app.command()
def report(
    day: Annotated[str, typer.Option("--date", help="The day, YYYY-MM-DD.")],
    patient: Annotated[
        str | None, typer.Option(help="Pseudonym; left out, all patients of the day and the ward.")
    ] = None,
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="May be repeated. [PMFER_REPORT_FORMATS, pdf]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for copies that nothing keeps a record of.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Render reports of a day again from the warehouse; see docs/reports-formats.md."""
    from flows.printing import printing_of
    from flows.reporting import render_by_hand

    printing = printing_of(read_settings(data_dir=data_dir), formats or ())
    for path in render_by_hand(*_places(data_dir), _day(day), patient, printing, out):
        typer.echo(path)


@app.command("report-schema")
def report_schema() -> None:
    """Print the JSON Schema of reports written with --format json."""
    from reports.document import report_schema as schema

    typer.echo(schema(), nl=False)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One SQL query; left out or -, standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with the query.")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--param", help="NAME=VALUE of $NAME in the query; may be repeated.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="table, csv, json (one object per line), parquet. [by --out, table]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of standard output.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows of a table at most, 0 for all.")] = 50,
    data_dir: DataDir = None,
) -> None:
    """Ask the warehouse one query, read-only; see docs/analysts.md."""
    from flows.sql_command import make_request, run_sql

    run_sql(*_places(data_dir), make_request(query, file, parameters or [], format_, out, limit), PlainConsole())


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Source folder to write.")],
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")] = "2026-03-02",
    days: Annotated[int, typer.Option(min=1, help="Days.")] = 21,
    seed: Annotated[int, typer.Option(help="Another seed draws other patients.")] = 0,
) -> None:
    """Draw a ward of synthetic patients with a known truth."""
    from flows.demo import simulate_ward

    day = _day(first)
    simulate_ward(out, day, days, seed, PlainConsole())
    typer.echo(f"{out}: a ward from {day} to {day + timedelta(days=days - 1)}")


@app.command()
def demo(data_dir: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("var/demo")) -> None:
    """Simulate a ward over three weeks, run the nightly flow over it and say where the results are."""
    from flows.demo import run_demo

    run_demo(data_dir, PlainConsole())


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="TOML file; pmfer/configs/compact.toml is the default bundle's.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint and the log; a run there is taken up again.")],
    landmarks: Annotated[Path | None, typer.Option(help="File of `pmfer landmarks`.")] = None,
) -> None:
    """Train PMFER; a run that was stopped goes on from its last epoch."""
    from flows.training_command import TrainRequest, run_training

    typer.echo(run_training(TrainRequest(config, data, out, landmarks)))


@app.command()
def landmarks(
    config: Annotated[Path, typer.Argument(help="TOML file of the training run.")],
    data: Data,
    mesh: Annotated[Path, typer.Option(help="A face mesh of MediaPipe; docs/training.md says which.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Measure the shape of every training face, for `pmfer train --landmarks`."""
    from flows.training_command import run_landmarks

    typer.echo(run_landmarks(config, data, mesh, out))


@app.command()
def ablate(
    config: Annotated[Path, typer.Argument(help="TOML file; pmfer/configs/ablation.toml suits two cores.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the runs; what is done there is not done again.")],
    landmarks: Annotated[Path | None, typer.Option(help="File of `pmfer landmarks`.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per arm.")] = 3,
) -> None:
    """Train PMFER with one part more at a time and write OUT/ablation.md and .png."""
    from flows.training_command import TrainRequest, run_arms

    typer.echo(run_arms(TrainRequest(config, data, out, landmarks), seeds))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a training run.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the bundle; one that is there is replaced.")],
    crop: Annotated[Path, typer.Option(help="JSON of crop geometries, see docs/inference.md.")],
    phrases: Annotated[Path | None, typer.Option(help="TOML of phrases of your own, see docs/phrases.md.")] = None,
    test_looks: Annotated[
        int | None, typer.Option(min=1, help="Times the test split was looked at for this choice, this one included.")
    ] = None,
) -> None:
    """Export a checkpoint as a bundle, with figures of the valid and test splits on its card."""
    from flows.training_command import run_export

    typer.echo(run_export(checkpoint, data, out, crop, phrases, test_looks))


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Argument(help="Manifest (CSV, Parquet) or a data set; see docs/datasets.md.")],
    bundle: BundleName = None,
    cropped: Annotated[
        bool | None,
        typer.Option("--cropped/--whole", help="Face crops, or pictures to find faces in. [by set, size]"),
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, valid, test or all. [test, else all]")] = None,
    kind: Annotated[str | None, typer.Option(help="Data set, where it is not found out; e.g. affectnet7.")] = None,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Average each face with its mirror image.")] = True,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix into this PNG file.")] = None,
    detector: Detector = None,
) -> None:
    """Measure a bundle on labelled pictures; docs/evaluation.md explains every figure."""
    from flows.evaluate_command import EvaluateRequest, run_evaluation

    settings = read_settings(bundle=bundle, detector=detector)
    request = EvaluateRequest(manifest, split, kind, cropped, flip, settings.detector, json_out, picture)
    run_evaluation(settings.bundle, request, PlainConsole())


@app.command()
def robustness(
    data: Annotated[Path, typer.Argument(help="A data set of face crops; see docs/datasets.md.")],
    bundle: BundleName = None,
    split: Annotated[str, typer.Option(help="train, valid, test or all.")] = "valid",
    landmarks: Annotated[Path | None, typer.Option(help="File of `pmfer landmarks`, for covered faces.")] = None,
    kind: Annotated[str | None, typer.Option(help="Data set, where it is not found out; e.g. affectnet7.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Measure the bundle's int8 graph.")] = False,
) -> None:
    """Measure a bundle on rolled, noisy, small, dark and covered faces, and print a table."""
    from flows.training_command import run_robustness

    typer.echo(run_robustness(read_settings(bundle=bundle).bundle, data, split, landmarks, kind, int8=int8))


@app.command()
def attention(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, folders of them, or a manifest (CSV, Parquet).")],
    out: Annotated[Path, typer.Option(help="Folder for the sheets, mean.png and attention.json.")],
    bundle: BundleName = None,
    phrases: Annotated[str | None, typer.Option(help="Columns of the phrases, as au12,au04. [all]")] = None,
    cropped: Annotated[
        bool | None, typer.Option("--cropped/--whole", help="Face crops, or pictures to find faces in. [by set, size]")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of a manifest: train, valid, test, all. [valid, else all]")] = None,
    faces: Annotated[int, typer.Option(min=1, help="Faces at most, evenly spread.")] = 500,
    sheets: Annotated[int, typer.Option(min=0, help="Sheets of single faces at most.")] = 12,
    detector: Detector = None,
) -> None:
    """Show where a bundle looks for its phrases, on faces and in numbers."""
    from flows.attention_command import AttentionRequest, run_attention

    settings = read_settings(bundle=bundle, detector=detector)
    columns = [column.strip() for column in phrases.split(",")] if phrases else []
    request = AttentionRequest(pictures, out, columns, split, cropped, settings.detector, faces, sheets)
    run_attention(settings.bundle, request, PlainConsole())


@bundle_app.command("show")
def bundle_show(name: Annotated[str | None, typer.Argument(help="Shipped bundle's name, or a folder.")] = None) -> None:
    """Verify a bundle and print its model card."""
    from pmfer.bundle import MODEL_CARD_FILE, load_bundle

    verified = load_bundle(read_settings(bundle=name).bundle)
    typer.echo((verified.path / MODEL_CARD_FILE).read_text(encoding="utf-8"))
    typer.echo(f"verified, digest {verified.digest}")


@warehouse_app.command("dictionary")
def warehouse_dictionary(out: Annotated[Path, typer.Argument(help="Markdown file to write.")]) -> None:
    """Write the data dictionary from the comments in the database."""
    from flows.dictionary import write_dictionary

    write_dictionary(out)


@app.command()
def erase(
    patient: Annotated[str, typer.Argument(help="Pseudonym.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Erase a patient from everything below the data folder and leave a receipt that names nobody."""
    from flows.erase_command import ask_for, erase_patient

    data, warehouse = _places(data_dir)
    receipts = erase_patient(data, warehouse, patient, ask_for(patient, yes), typer.echo)
    for name in receipts:
        typer.echo(f"receipt: {data.receipts / name}.json")
    if not receipts:
        typer.echo("nothing to erase")


@consent_app.command("import")
def consent_import(
    file: Annotated[Path, typer.Argument(help="CSV file; see docs/privacy.md.")], data_dir: DataDir = None
) -> None:
    """Take periods of consent, and withdrawals, into the register."""
    from flows.consent_command import import_consents

    typer.echo(import_consents(*_places(data_dir), file))


@consent_app.command("list")
def consent_list(
    patient: Annotated[str | None, typer.Option(help="Pseudonym; left out, all patients.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show the register of consents."""
    from flows.consent_command import consent_table

    PlainConsole().print(consent_table(*_places(data_dir), patient))


@events_app.command("import")
def events_import(
    file: Annotated[Path, typer.Argument(help="CSV file; see docs/analysts.md.")],
    zone: Annotated[str | None, typer.Option(help="Zone of times without an offset, as Europe/Berlin.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Take doses, therapies, transfers and other care events into the warehouse."""
    from flows.events_command import import_events

    result = import_events(*_places(data_dir), file, zone)
    for fault in result.faults:
        _complain(fault)
    if result.faults:
        _complain(result.message)
        raise typer.Exit(1)
    typer.echo(result.message)


@warehouse_app.command("export")
def warehouse_export(
    out: Annotated[Path | None, typer.Option(help="Folder to write. [DATA_DIR/exports/warehouse]")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write the warehouse as Parquet files by day that anything reads; see docs/analysts.md."""
    from flows.export_command import export_warehouse

    days = (None if first is None else _day(first), None if last is None else _day(last))
    for line in export_warehouse(*_places(data_dir), out, *days):
        typer.echo(line)


@warehouse_app.command("retain")
def warehouse_retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Remove what is older than the settings PMFER_RETAIN_..._DAYS allow; the night does so too."""
    from flows.retain_command import retain_now, retention_of

    retention = retention_of(read_settings(data_dir=data_dir))
    counts = retain_now(*_places(data_dir), retention, date.today(), dry_run)
    for name, count in counts.items():
        typer.echo(f"{count:>10,}  {name}")
    if not counts:
        typer.echo("nothing is older than it is kept")


@warehouse_app.command("verify")
def warehouse_verify(data_dir: DataDir = None) -> None:
    """Check that no entry of the audit log or the read log was altered, removed, inserted or moved."""
    from flows.verify_command import verify_logs

    for line in verify_logs(*_places(data_dir)):
        typer.echo(line)


@warehouse_app.command("check")
def warehouse_check(data_dir: DataDir = None) -> None:
    """Check the contracts: ranges, sums, owners, counts, order, uniqueness; each night checks what it loaded."""
    from flows.check_command import check_contracts

    check_contracts(_places(data_dir)[1], typer.echo)


def _places(data_dir: Path | None) -> "tuple[DataFolder, Address]":
    """The data folder and the address of the warehouse, by an option and the settings."""
    from flows.warehouse_address import warehouse_address

    settings = read_settings(data_dir=data_dir)
    return DataFolder(settings.data_dir.absolute()), warehouse_address(settings)


def _source(given: str | None) -> str:
    """The source by an option or the settings."""
    source = given or read_settings().source
    if source is None:
        raise ConfigurationError("no source; give the folder of the recordings with --source or PMFER_SOURCE")
    return source


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"date '{text}': not a day; write it as YYYY-MM-DD") from None


def _say_interrupted() -> None:
    _complain("interrupted; what was stored stays, run it again to finish")


def _complain(text: str) -> None:
    """One line on stderr. Where logs are JSON it is one of their lines."""
    if writes_json():
        logging.getLogger("pmfer").error("%s", text)
        return
    PlainConsole(stderr=True, soft_wrap=True).print(f"pmfer: {text}")
