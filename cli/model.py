"""What becomes of the model: train, measure, export, and look at it. See docs/training.md and docs/results.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.options import BundleName, Cropped, Data, Detector, Kind, Landmarks
from flows.plain_text import PlainConsole
from flows.settings import read_settings

if TYPE_CHECKING:
    from flows.evaluation import Crop
    from inference.attention import PhraseAttention
    from pmfer.bundle import AuPhrase

app = typer.Typer()

MeasureInt8 = Annotated[bool, typer.Option("--int8", help="Measure the bundle's int8 graph.")]
datasets_app = typer.Typer(help="Make the files that training reads.", no_args_is_help=True)
bundle_app = typer.Typer(help="Look at model bundles.", no_args_is_help=True)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="TOML file; pmfer/configs/compact.toml is the default bundle's.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint and the log; a run there is continued.")],
    landmarks: Landmarks = None,
) -> None:
    """Train PMFER; a stopped run continues after its last epoch."""
    from pmfer.runs import TrainRequest, run_training

    typer.echo(run_training(TrainRequest(config, data, out, landmarks)))


@app.command()
def landmarks(
    config: Annotated[Path, typer.Argument(help="TOML file of the training run.")],
    data: Data,
    mesh: Annotated[Path, typer.Option(help="A face mesh by MediaPipe; docs/training.md says which.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Measure the shape of every training face, for `pmfer train --landmarks`."""
    from pmfer.runs import run_landmarks

    typer.echo(run_landmarks(config, data, mesh, out))


@app.command()
def ablate(
    config: Annotated[Path, typer.Argument(help="TOML file; pmfer/configs/ablation.toml suits two cores.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished runs there are kept.")],
    landmarks: Landmarks = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per arm.")] = 3,
) -> None:
    """Train PMFER with one more part at a time; write OUT/ablation.md and .png."""
    from pmfer.runs import TrainRequest, run_arms

    typer.echo(run_arms(TrainRequest(config, data, out, landmarks), seeds))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a training run.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the bundle; an existing one is replaced.")],
    crop: Annotated[Path, typer.Option(help="JSON of crop geometries; see docs/inference.md.")],
    phrases: Annotated[Path | None, typer.Option(help="TOML of your own phrases; see docs/bundle.md.")] = None,
    test_looks: Annotated[
        int | None,
        typer.Option(min=1, help="How often the test split was looked at for this choice, this export included."),
    ] = None,
    start_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the weights the run started from to keep in the picture side."),
    ] = 0.0,
) -> None:
    """Export a checkpoint as a bundle whose card has figures of the valid and test splits."""
    from pmfer.runs import run_export

    typer.echo(run_export(checkpoint, data, out, crop, phrases, test_looks, start_share))


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Argument(help="Manifest (CSV, Parquet) or a data set; see docs/training.md.")],
    bundle: BundleName = None,
    cropped: Cropped = None,
    split: Annotated[str | None, typer.Option(help="train, valid, test or all. [test, else all]")] = None,
    kind: Kind = None,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Average each face with its mirror image.")] = True,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix into this PNG file.")] = None,
    detector: Detector = None,
    int8: MeasureInt8 = False,
) -> None:
    """Measure a bundle on labelled pictures; docs/results.md explains every figure."""
    from cli.evaluate_tables import figure_tables, headline
    from flows.evaluation import EvaluateRequest, run_evaluation

    settings = read_settings(bundle=bundle, detector=detector)
    request = EvaluateRequest(manifest, split, kind, cropped, flip, settings.detector, int8, json_out, picture)
    console = PlainConsole()

    def track(crops: "Iterator[Crop]", count: int) -> "Iterator[Crop]":
        columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield from progress.track(crops, total=count)

    figures = run_evaluation(settings.bundle, request, track).figures
    console.print(headline(figures), soft_wrap=True)
    for table in figure_tables(figures):
        console.print()
        console.print(table)


@app.command()
def robustness(
    data: Annotated[Path, typer.Argument(help="A data set of face crops; see docs/training.md.")],
    bundle: BundleName = None,
    split: Annotated[str, typer.Option(help="train, valid, test or all.")] = "valid",
    landmarks: Annotated[Path | None, typer.Option(help="File of `pmfer landmarks`, for covered faces.")] = None,
    kind: Kind = None,
    int8: MeasureInt8 = False,
) -> None:
    """Measure a bundle on rolled, noisy, small, dark and covered faces, and print a table."""
    from pmfer.runs import run_robustness

    typer.echo(run_robustness(read_settings(bundle=bundle).bundle, data, split, landmarks, kind, int8=int8))


@app.command()
def attention(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, folders of them, or a manifest (CSV, Parquet).")],
    out: Annotated[Path, typer.Option(help="Folder for the sheets, mean.png and attention.json.")],
    bundle: BundleName = None,
    phrases: Annotated[str | None, typer.Option(help="Columns of the phrases, such as au12,au04. [all]")] = None,
    cropped: Cropped = None,
    split: Annotated[str | None, typer.Option(help="Of a manifest: train, valid, test, all. [valid, else all]")] = None,
    faces: Annotated[int, typer.Option(min=1, help="Most faces to use, evenly spread.")] = 500,
    sheets: Annotated[int, typer.Option(min=0, help="Most sheets of single faces.")] = 12,
    detector: Detector = None,
) -> None:
    """Show where a bundle looks for its phrases, on faces and in numbers."""
    from flows.attention import AttentionRequest, run_attention

    settings = read_settings(bundle=bundle, detector=detector)
    columns = [column.strip() for column in phrases.split(",")] if phrases else []
    request = AttentionRequest(pictures, out, columns, split, cropped, settings.detector, faces, sheets)
    found = run_attention(settings.bundle, request)
    PlainConsole().print(_attention_table(found.looks, found.faces))


@datasets_app.command("make-ferplus")
def make_ferplus_file(
    pictures: Annotated[Path, typer.Argument(help="fer2013.csv of the FER2013 challenge, or a folder with both.")],
    votes: Annotated[Path | None, typer.Argument(help="fer2013new.csv of microsoft/FERPlus. [beside it]")] = None,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")] = Path("ferplus.parquet"),
) -> None:
    """Join FER2013's pictures and FERPlus's votes into the file that `pmfer train` reads."""
    from pmfer.datasets.ferplus import make_ferplus

    made = make_ferplus(pictures, votes, out)
    splits = ", ".join(f"{split} {count:,}" for split, count in sorted(made.by_split.items()))
    typer.echo(f"{out}: {made.rows:,} pictures ({splits}), {made.duplicates:,} of them as in train")
    if made.dropped:
        typer.echo(f"{made.dropped:,} rows left out, as their names are not unique")


@bundle_app.command("show")
def bundle_show(name: Annotated[str | None, typer.Argument(help="Shipped bundle's name, or a folder.")] = None) -> None:
    """Verify a bundle and print its model card."""
    from pmfer.bundle import MODEL_CARD_FILE, load_bundle

    verified = load_bundle(read_settings(bundle=name).bundle)
    typer.echo((verified.path / MODEL_CARD_FILE).read_text(encoding="utf-8"))
    typer.echo(f"verified, digest {verified.digest}")


def _attention_table(looks: "Sequence[PhraseAttention]", faces: int) -> Table:
    table = Table(title=f"where the phrases look, mean over {faces} faces", box=None, header_style="bold")
    for name in ("column", "phrase", "region"):
        table.add_column(name)
    for name in ("attention inside", "even look"):
        table.add_column(name, justify="right")
    for look in looks:
        table.add_row(look.phrase.column, look.phrase.phrase, *_shares(look.phrase, look))
    return table


def _shares(phrase: "AuPhrase", look: "PhraseAttention") -> tuple[str, str, str]:
    if look.share is None or look.chance is None:
        return "-", "-", "-"
    return phrase.region or "-", f"{look.share:.0%}", f"{look.chance:.0%}"
