"""What `pmfer evaluate` prints: a headline and tables. What could not be computed is a dash."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

WORDS = {
    "accuracy_strict": "accuracy, strict majority",
    "accuracy_argmax": "accuracy, plain majority",
    "accuracy_strict_dedup": "accuracy, strict, without duplicates of train",
    "recall_mean": "mean class recall",
    "macro_f1": "macro F1",
    "ece": "expected calibration error",
}


def headline(figures: Mapping[str, Any]) -> str:
    """What was measured, in one line."""
    whole = figures["pictures"] - figures["unreadable"] - figures["face_crops"]
    parts = [f"{figures['data']}, split {figures['split']}: {figures['pictures']} pictures"]
    parts += [f"{figures['face_crops']} taken as face crops"] * bool(figures["face_crops"])
    parts += [f"{whole} searched for a face, {figures['misses']} without one"] * bool(whole)
    parts += [f"{figures['unreadable']} unreadable"] * bool(figures["unreadable"])
    return ", ".join(parts)


def figure_tables(figures: Mapping[str, Any]) -> Iterator[Table]:
    """Tables of the parts that the data set has labels for."""
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
    """Keys of the table in order, with words; subsets that are not there are left out."""
    subsets = {
        key: f"accuracy, subset {key.removeprefix('accuracy_')}"
        for key, value in figures.items()
        if key.startswith("accuracy_") and key not in WORDS and isinstance(value, float)
    }
    first = {key: words for key, words in WORDS.items() if key.startswith("accuracy_")}
    return first | subsets | {key: words for key, words in WORDS.items() if key not in first}


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
    """A share for people."""
    return "-" if share is None else f"{share:.1%}"


def decimal(value: float | None) -> str:
    """A coefficient for people."""
    return "-" if value is None else f"{value:.3f}"
