"""Commands about the model: train, measure, export and inspect it. See docs/training.md and docs/results.md."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

MeasureInt8 = Annotated[bool, typer.Option("--int8", help="Measure the bundle's int8 graph instead of float32.")]
datasets_app = typer.Typer(help="Prepare the files that training reads.", no_args_is_help=True)
bundle_app = typer.Typer(help="Inspect model bundles.", no_args_is_help=True)

FIGURE_WORDS = {
    "accuracy_strict": "accuracy, strict majority",
    "accuracy_argmax": "accuracy, plain majority",
    "accuracy_strict_dedup": "accuracy, strict, without duplicates of train",
    "recall_mean": "mean class recall",
    "macro_f1": "macro F1",
    "ece": "expected calibration error",
}


@app.command()
def train(
    config: Annotated[
        Path,
        typer.Argument(help="TOML file of the training run; the default bundle's is pmfer/configs/compact.toml."),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint and the log; a run found there is continued.")],
    landmarks: Landmarks = None,
) -> None:
    """Train PMFER; a stopped run continues after its last epoch."""
    from pmfer.runs import TrainRequest, run_training

    typer.echo(run_training(TrainRequest(config, data, out, landmarks)))


@app.command()
def landmarks(
    config: Annotated[Path, typer.Argument(help="TOML file of the training run.")],
    data: Data,
    mesh: Annotated[Path, typer.Option(help="MediaPipe's face mesh model; docs/training.md says which.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Measure the shape of every training face, for `pmfer train --landmarks`."""
    from pmfer.runs import run_landmarks

    typer.echo(run_landmarks(config, data, mesh, out))


@app.command()
def ablate(
    config: Annotated[
        Path, typer.Argument(help="TOML file of the training runs; pmfer/configs/ablation.toml suits two cores.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the runs; finished runs found there are kept.")],
    landmarks: Landmarks = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training runs per arm, each with its own seed.")] = 3,
) -> None:
    """Run the ablation: train PMFER with one more part at a time, and write OUT/ablation.md and OUT/ablation.png."""
    from pmfer.runs import TrainRequest, run_arms

    typer.echo(run_arms(TrainRequest(config, data, out, landmarks), seeds))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a training run.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="New folder for the bundle, or a bundle to replace.")],
    crop: Annotated[Path, typer.Option(help="JSON file of crop geometries; see docs/inference.md.")],
    phrases: Annotated[Path | None, typer.Option(help="TOML file of your own phrases; see docs/bundle.md.")] = None,
    test_looks: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many times the test split was evaluated to choose this model, this export included. "
            "[default: not stated]",
        ),
    ] = None,
    start_share: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="How much of the image encoder's starting weights to mix into the trained ones: 0 none, 1 only them.",
        ),
    ] = 0.0,
) -> None:
    """Export a checkpoint as a bundle, with its results on the valid and test splits on the card."""
    from pmfer.runs import run_export

    typer.echo(run_export(checkpoint, data, out, crop, phrases, test_looks, start_share))


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Argument(help="Manifest (CSV or Parquet) or data set; see docs/training.md.")],
    bundle: BundleName = None,
    cropped: Cropped = None,
    split: Annotated[
        str | None, typer.Option(help="Split: train, valid, test or all. [default: test if there is one, else all]")
    ] = None,
    kind: Kind = None,
    flip: Annotated[
        bool, typer.Option("--flip/--no-flip", help="Average the scores of each face and its mirror image.")
    ] = True,
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write the results to this JSON file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix to this PNG file.")] = None,
    detector: Detector = None,
    int8: MeasureInt8 = False,
    all_expressions: Annotated[
        bool, typer.Option("--all-expressions", help="Count expressions as answers that the data set does not have.")
    ] = False,
) -> None:
    """Evaluate a bundle on labelled pictures; docs/results.md explains the metrics."""
    from flows.evaluation import EvaluateRequest, Options, run_evaluation

    settings = read_settings(bundle=bundle, detector=detector)
    options = Options(cropped, flip, settings.detector, int8)
    request = EvaluateRequest(manifest, options, split, kind, json_out, picture, all_expressions)
    console = PlainConsole()

    def track(crops: "Iterator[Crop]", count: int) -> "Iterator[Crop]":
        columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield from progress.track(crops, total=count)

    figures = run_evaluation(settings.bundle, request, track).figures
    console.print(headline(figures))
    for table in figure_tables(figures):
        console.print()
        console.print(table)


@app.command()
def robustness(
    data: Annotated[Path, typer.Argument(help="Data set of face crops; see docs/training.md.")],
    bundle: BundleName = None,
    split: Annotated[str, typer.Option(help="Split: train, valid, test or all.")] = "valid",
    landmarks: Annotated[
        Path | None, typer.Option(help="Parquet file written by `pmfer landmarks`; needed to measure covered faces.")
    ] = None,
    kind: Kind = None,
    int8: MeasureInt8 = False,
) -> None:
    """Evaluate a bundle on rotated, noisy, small, dark and covered faces, and print a table."""
    from pmfer.runs import run_robustness

    typer.echo(run_robustness(read_settings(bundle=bundle).bundle, data, split, landmarks, kind, int8=int8))


@app.command()
def attention(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, folders of them, or a manifest (CSV or Parquet).")],
    out: Annotated[Path, typer.Option(help="Folder for the sheets, mean.png and attention.json.")],
    bundle: BundleName = None,
    phrases: Annotated[
        str | None, typer.Option(help="Score columns of the phrases, comma-separated: au12,au04. [default: all]")
    ] = None,
    cropped: Cropped = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of the manifest: train, valid, test or all. [default: valid if there is one, else all]"
        ),
    ] = None,
    faces: Annotated[
        int, typer.Option(min=1, help="Maximum number of faces to use, taken evenly from the pictures.")
    ] = 500,
    sheets: Annotated[int, typer.Option(min=0, help="Maximum number of sheets that show a single face.")] = 12,
    detector: Detector = None,
) -> None:
    """Show where a bundle looks for each phrase: pictures of its attention, and a table."""
    from flows.attention import AttentionRequest, run_attention

    settings = read_settings(bundle=bundle, detector=detector)
    columns = [column.strip() for column in phrases.split(",")] if phrases else []
    request = AttentionRequest(pictures, out, columns, split, cropped, settings.detector, faces, sheets)
    found = run_attention(settings.bundle, request)
    PlainConsole().print(_attention_table(found.looks, found.faces))


@datasets_app.command("make-ferplus")
def make_ferplus_file(
    pictures: Annotated[
        Path, typer.Argument(help="fer2013.csv of the FER2013 challenge, or a folder that holds both files.")
    ],
    votes: Annotated[
        Path | None,
        typer.Argument(help="fer2013new.csv from microsoft/FERPlus. [default: in the same folder]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Parquet file to write.")] = Path("ferplus.parquet"),
) -> None:
    """Join the pictures of FER2013 and the votes of FERPlus into the file that `pmfer train` reads."""
    from pmfer.datasets.ferplus import make_ferplus

    joined = make_ferplus(pictures, votes, out)
    splits = ", ".join(f"{split} {count:,}" for split, count in sorted(joined.by_split.items()))
    typer.echo(f"{out}: {joined.rows:,} pictures ({splits}); {joined.duplicates:,} of valid and test are also in train")
    if joined.dropped:
        typer.echo(f"{joined.dropped:,} rows left out, because their names are not unique")


@bundle_app.command("show")
def bundle_show(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of a shipped bundle, or a bundle's folder. [default: PMFER_BUNDLE, or pmfer-compact]"
        ),
    ] = None,
) -> None:
    """Verify a bundle and print its model card."""
    from pmfer.bundle import MODEL_CARD_FILE, load_bundle

    verified = load_bundle(read_settings(bundle=name).bundle)
    typer.echo((verified.path / MODEL_CARD_FILE).read_text(encoding="utf-8"))
    typer.echo(f"verified, digest {verified.digest}")


def _attention_table(looks: "Sequence[PhraseAttention]", faces: int) -> Table:
    table = Table(
        title=f"where the model looks for each phrase, mean over {faces} faces", box=None, header_style="bold"
    )
    for name in ("column", "phrase", "region"):
        table.add_column(name)
    for name in ("attention in region", "by chance"):
        table.add_column(name, justify="right")
    for look in looks:
        table.add_row(look.phrase.column, look.phrase.phrase, *_shares(look.phrase, look))
    return table


def _shares(phrase: "AuPhrase", look: "PhraseAttention") -> tuple[str, str, str]:
    if look.share is None or look.chance is None:
        return "-", "-", "-"
    return phrase.region or "-", f"{look.share:.0%}", f"{look.chance:.0%}"


def headline(figures: Mapping[str, Any]) -> str:
    """One line that says what was evaluated."""
    whole = figures["pictures"] - figures["unreadable"] - figures["face_crops"]
    parts = [f"{figures['data']}, split {figures['split']}: {figures['pictures']} pictures"]
    parts += [f"{figures['face_crops']} taken as face crops"] * bool(figures["face_crops"])
    parts += [f"{whole} searched for a face, {figures['misses']} without one"] * bool(whole)
    parts += [f"{figures['unreadable']} unreadable"] * bool(figures["unreadable"])
    return ", ".join(parts)


def figure_tables(figures: Mapping[str, Any]) -> Iterator[Table]:
    """A table for each kind of label that the data set has."""
    if figures["accuracy_argmax"] is not None:
        yield _expression_table(figures)
        yield _recall_table(figures)
    if figures["auroc"]:
        yield _au_table(figures)
    if figures["pain_n"]:
        yield _pain_table(figures)


def _expression_table(figures: Mapping[str, Any]) -> Table:
    table = _table("expressions", "%")
    interval = figures["accuracy_strict_interval95"]
    for key, words in _accuracies(figures).items():
        span = f"{interval[0]:.1%} to {interval[1]:.1%}" if key == "accuracy_strict" and interval else ""
        table.add_row(words, percent(figures[key]), span)
    return table


def _accuracies(figures: Mapping[str, Any]) -> dict[str, str]:
    """The label of each row of the table by its key, in order; accuracies on subsets come after the overall ones."""
    subsets = {
        key: f"accuracy, subset {key.removeprefix('accuracy_')}"
        for key, value in figures.items()
        if key.startswith("accuracy_") and key not in FIGURE_WORDS and isinstance(value, float)
    }
    first = {key: words for key, words in FIGURE_WORDS.items() if key.startswith("accuracy_")}
    return first | subsets | {key: words for key, words in FIGURE_WORDS.items() if key not in first}


def _recall_table(figures: Mapping[str, Any]) -> Table:
    table = _table("recall", "%")
    for name, share in figures["recall"].items():
        if share is not None:
            table.add_row(name, percent(share), f"{figures['missed'][name]} not found" * bool(figures["missed"][name]))
    return table


def _au_table(figures: Mapping[str, Any]) -> Table:
    table = Table(box=None, header_style="bold", title_justify="left")
    table.add_column("action unit")
    for name in ("AUROC", "within expression", "average precision", "present", "labelled"):
        table.add_column(name, justify="right")
    for column in figures["auroc"]:
        scores = (figures[key][column] for key in ("auroc", "auroc_within_expression", "average_precision"))
        counts = (figures[key][column] for key in ("au_present", "au_labelled"))
        table.add_row(column, *map(decimal, scores), *map(str, counts))
    means = ("auroc_mean", "auroc_within_expression_mean", "average_precision_mean")
    table.add_row("mean", *(decimal(figures[key]) for key in means), "", "")
    return table


def _pain_table(figures: Mapping[str, Any]) -> Table:
    table = _table("pain-related facial activity against PSPI", "")
    table.add_row("frames with PSPI and a face", str(figures["pain_n"]), "")
    table.add_row("Pearson correlation", decimal(figures["pearson"]), "")
    how = "fitted on the other subjects" if figures["pain_scale"] == "leave_one_subject_out" else "activity times 16"
    table.add_row("ICC(3,1)", decimal(figures["icc"]), how)
    table.add_row("mean absolute error, of 16", decimal(figures["mae"]), how)
    return table


def _table(what: str, unit: str) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column(what)
    table.add_column(unit, justify="right")
    table.add_column("", style="dim")
    return table


def percent(share: float | None) -> str:
    """A share as text, in percent."""
    return "-" if share is None else f"{share:.1%}"


def decimal(value: float | None) -> str:
    """A coefficient as text, with three decimals."""
    return "-" if value is None else f"{value:.3f}"
