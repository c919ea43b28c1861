"""Measure a whole night: `pmfer nightly` on a simulated source, in a fresh process, with a data folder of its own.

    python -m benchmarks.night --sessions 50 --seconds 60 --out var/bench

It gives wall time by stage (from the flow's own metrics file), seconds of video per second, processor time, and the
cost of an hour of a patient's video at an assumed price of a core-hour. The table goes to the terminal, the
figures with flat keys to OUT/night.json.

Five faces are drawn, 640 x 360 at 24 frames a second, and kept in OUT for the next time. Each session is a copy of one
of them with an extra MP4 box at the end that holds its name, because an exact copy would be quarantined as a duplicate.
A night of one session runs first and is not measured: the first night in a data folder creates the databases of the
warehouse and of Prefect. Reports have no earlier weeks to compare with (those of benchmarks.reports do).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import describe_machine, plain_environment, spent_by
from benchmarks.scale import Assumed
from benchmarks.videos import simulated_video
from flows.data_folder import DataFolder

NIGHT = date(2026, 3, 2)
BEFORE = NIGHT - timedelta(days=1)
FACES = (32, 1, 4, 26, 33)  # seeds of those patients of the simulated ward who sit up
SESSIONS_PER_PATIENT = 2
STAGES = {
    "find": "find the sessions",
    "plan": "plan: what is new",
    "sessions": "sessions, in parts that overlap:",
    "check": "check what was stored",
    "publish": "publish the snapshot",
    "tidy": "tidy a lake's small files; here a file",
    "report": "report: read, compare, write PDFs",
    "between": "between them: records of the run",
    "around": "before and after: imports",
}

WITHIN_SESSIONS = {
    "pull": "  pull: copy and hash the videos",
    "score": "  score: decode, find faces, run the model",
    "store": "  store sessions, a transaction each",
}

Figures = dict[str, object]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50, help="number of sessions, two per patient")
    parser.add_argument("--seconds", type=float, default=60.0, help="of video per session")
    parser.add_argument("--core-hour", type=float, default=Assumed.core_hour, help="assumed price, any currency")
    parser.add_argument("--out", type=Path, default=Path("var/bench"), help="folder for the figures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figures = measure(options.sessions, options.seconds, options.core_hour, options.out)
    (options.out / "night.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print_table(figures, Console())
    print(f"\nfigures: {options.out / 'night.json'}")


def measure(sessions: int, seconds: float, core_hour: float, out: Path) -> Figures:
    """Run one night of `sessions` of `seconds` each; figures by flat key, times in seconds.

    Args:
        sessions: How many.
        seconds: Of video, each.
        core_hour: Assumed price of a core for an hour.
        out: Folder where drawn videos are kept.

    Raises:
        SystemExit: the night failed, or did not score every session.
    """
    films = [simulated_video(seed, seconds, out) for seed in FACES]
    figures: Figures = {**describe_machine(), "sessions": sessions, "seconds_per_session": seconds}
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        place = Path(temporary).absolute()
        (place / "data").mkdir()
        write_night(films, BEFORE, 1, place / "source")
        write_night(films, NIGHT, sessions, place / "source")
        run_night(BEFORE, place / "source", place / "data")
        figures["load_before"] = os.getloadavg()[0]
        spent = spent_by(lambda: run_night(NIGHT, place / "source", place / "data"))
        told = read_metrics(DataFolder(place / "data").metrics)
    if told["pmfer_sessions_scored"] != sessions:
        raise SystemExit(f"{told['pmfer_sessions_scored']:.0f} of {sessions} sessions were scored; nothing is measured")
    figures["load_after"] = os.getloadavg()[0]
    figures["reports"] = round(told["pmfer_reports"])
    figures["frames_scored"] = round(told["pmfer_frames_scored"])
    figures |= {"video_s": told["pmfer_video_seconds"], "wall_s": spent.wall_s, "cpu_s": spent.cpu_s}
    return figures | times(told, spent.wall_s) | costs(figures, core_hour)


def times(told: Mapping[str, float], wall_s: float) -> dict[str, float]:
    """Seconds by stage from the figures of a metrics file; those of STAGES add up to the wall time."""
    found = {stage: told.get(stage, 0.0) for stage in STAGES}
    run_s = told["pmfer_last_run_duration_seconds"]
    found["between"] = run_s - sum(found.values())
    found["around"] = wall_s - run_s
    found |= {stage: told.get(stage, 0.0) for stage in WITHIN_SESSIONS}
    return {f"{stage}_s": seconds for stage, seconds in found.items()}


def costs(figures: Mapping[str, object], core_hour: float) -> dict[str, float]:
    """What an hour of video costs if all cores are paid while the night lasts, or only the processor time."""
    video_s, wall_s, cpu_s = (float(str(figures[key])) for key in ("video_s", "wall_s", "cpu_s"))
    return {
        "video_s_per_wall_s": video_s / wall_s,
        "core_hour": core_hour,
        "cost_per_video_hour": core_hour * wall_s * int(str(figures["cores"])) / video_s,
        "cost_per_video_hour_cpu": core_hour * cpu_s / video_s,
    }


def run_night(night: date, source: Path, data: Path) -> None:
    """Run `pmfer nightly` in a process of its own, without the settings of this machine and this folder.

    Raises:
        SystemExit: it failed.
    """
    where = ["--date", night.isoformat(), "--source", str(source), "--data-dir", str(data)]
    # -P keeps the working directory off the path: its folder `reports` is not the package.
    command = [sys.executable, "-P", "-m", "cli", "nightly", *where]
    done = subprocess.run(command, cwd=data, env=plain_environment(), check=False)
    if done.returncode:
        raise SystemExit(f"pmfer nightly failed with status {done.returncode}; see its last line")


def read_metrics(path: Path) -> dict[str, float]:
    """Values of a night's metrics file by name; times of stages by the stage's name, in seconds."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    samples = [sample for family in families for sample in family.samples]
    return {sample.labels.get("stage", sample.name): sample.value for sample in samples}


def write_night(films: list[Path], night: date, sessions: int, source: Path) -> None:
    """Write the folder of one night into a source: two sessions of each patient, both with the same film."""
    folder = source / night.isoformat()
    folder.mkdir(parents=True)
    for number in range(sessions):
        patient, of_day = divmod(number, SESSIONS_PER_PATIENT)
        started = datetime.combine(night, time(8), UTC) + timedelta(hours=6 * of_day, seconds=patient)
        sidecar = {
            "session_id": f"session-{night.isoformat()}-{number:04}",
            "patient_id": f"patient-{patient:04}",
            "started_at": started.isoformat(),
            "consent": True,
        }
        video = folder / f"{sidecar['session_id']}.mp4"
        video.write_bytes(films[patient % len(films)].read_bytes() + free_box(video.stem))
        video.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
        for path in (video, video.with_suffix(".json")):
            os.utime(path, (started.timestamp(), started.timestamp()))  # fresh files would be left for later


def free_box(text: str) -> bytes:
    """An MP4 box that readers ignore (ISO/IEC 14496-12, 8.1.2)."""
    content = text.encode()
    return (8 + len(content)).to_bytes(4, "big") + b"free" + content


def print_table(figures: Mapping[str, object], console: Console) -> None:
    """Print the figures as a table."""
    wall_s = float(str(figures["wall_s"]))
    console.print(f"{figures['cpu']}, {figures['cores']} cores, load {figures['load_before']:.1f} before")
    title = f"a night of {figures['sessions']} sessions of {figures['seconds_per_session']:g} s"
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for heading in ("stage", "s", "share"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, words in STAGES.items():
        seconds = float(str(figures[f"{stage}_s"]))
        table.add_row(words, f"{seconds:,.2f}", f"{seconds / wall_s:.0%}")
        for part, what in WITHIN_SESSIONS.items() if stage == "sessions" else ():
            table.add_row(what, f"{float(str(figures[f'{part}_s'])):,.2f}", "")
    table.add_row("together", f"{wall_s:,.2f}", "")
    console.print(table)
    console.print(
        f"processor time {figures['cpu_s']:,.1f} s; {figures['reports']} reports; {figures['video_s']:,.0f} s of video"
        f", {figures['video_s_per_wall_s']:.1f} s of it per second",
        soft_wrap=True,
    )
    console.print(
        f"an hour of a patient's video costs {figures['cost_per_video_hour']:.4f} with all cores paid while the night "
        f"lasts, {figures['cost_per_video_hour_cpu']:.4f} by processor time; assumed: {figures['core_hour']:g} per "
        "core-hour, in any currency",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
