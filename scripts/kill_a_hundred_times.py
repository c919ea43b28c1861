"""Kill a night at random moments, run it again, and compare the result with that of an undisturbed night.

    python scripts/kill_a_hundred_times.py [--times 100] [--seed 1]

Each time, in a new data folder, the run is killed (SIGKILL, with all its processes) at a random moment within the time
that an undisturbed run takes, and then started again. The warehouse and the reports must then have the same content as
after the undisturbed run.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

from simulator.ward import WardPlan, write_ward

NIGHT = date(2026, 3, 2)
ROOT = Path(__file__).parents[1]
# Only times and identifiers of runs may differ, and files, because a page says when it was printed.
CONTENT = {
    "patients": "patient_id",
    "sessions": "* EXCLUDE (stored_at)",
    "scorings": "* EXCLUDE (run_id, scored_at)",
    "stored_frames": "*",
    "session_rollups": "*",
    "phrase_quantiles": "*",
    "episodes": "*",
    "quarantine": "source_uri, reason, content_sha256",
    "findings": "* EXCLUDE (found_at)",
    "reports": "report_id, input_key, path",
    "active_bundle": "bundle_id, options_sha256",
}

Content = dict[str, list[tuple[object, ...]]]


def start(source: Path, data: Path) -> "subprocess.Popen[str]":
    """Start the night in a session of its own, so that everything it starts can be killed with it."""
    command = ("nightly", "--source", str(source), "--date", NIGHT.isoformat(), "--data-dir", str(data))
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *command],
        cwd=ROOT,
        env=os.environ | {"PMFER_SOURCE_SETTLE_S": "0", "PMFER_REPORT_FORMATS": "pdf"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(source: Path, data: Path) -> float:
    """Run the night to its end and return the seconds it took.

    Raises:
        RuntimeError: it failed; the message has its output.
    """
    began = time.monotonic()
    process = start(source, data)
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the night failed: {out}")
    return time.monotonic() - began


def kill_at(source: Path, data: Path, moment_s: float) -> bool:
    """Start the night and kill it after `moment_s`; return False if it was over by then."""
    process = start(source, data)
    try:
        process.communicate(timeout=moment_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def content(data: Path) -> Content:
    """The content of the published warehouse, by table."""
    with duckdb.connect(data / "published" / "warehouse.duckdb", read_only=True) as connection:
        return {
            table: connection.sql(
                f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (SELECT {chosen} FROM {table}) ORDER BY ALL"
            ).fetchall()
            for table, chosen in CONTENT.items()
        }


def differences(data: Path, undisturbed: Content) -> list[str]:
    """The differences from the undisturbed night, one line each; report files must be those on record."""
    found = content(data)
    lines = [f"table {table} differs" for table in CONTENT if found[table] != undisturbed[table]]
    with duckdb.connect(data / "published" / "warehouse.duckdb", read_only=True) as connection:
        ((status,),) = connection.sql("SELECT status FROM runs ORDER BY started_at DESC LIMIT 1").fetchall()
    lines += [f"the last run is {status}"] * (status != "completed")
    files = {path.relative_to(data).as_posix() for path in (data / "reports").rglob("*.pdf")}
    recorded = {str(row[2]) for row in found["reports"]}
    lines += [f"{name}: a report without a record, or a record without its report" for name in files ^ recorded]
    lines += [f"{path.name}: left in staging" for path in (data / "staging").iterdir()]
    return lines


def make_source(folder: Path, seconds: float = 2.0) -> Path:
    """A small night: twelve sessions of six patients and one file that is not a video."""
    write_ward(folder, WardPlan(NIGHT, days=1, seconds_per_session=seconds), workers=1)
    first = min((folder / NIGHT.isoformat()).glob("*.json"))
    (first.parent / "broken.mp4").write_bytes(b"this is not a video")
    (first.parent / "broken.json").write_text(first.read_text().replace(first.stem, "broken"))
    return folder


def main() -> None:
    """Run; exit status 1 if anything differed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_source(folder / "source")
        finish(source, folder / "undisturbed")
        undisturbed = content(folder / "undisturbed")
        duration_s = finish(source, folder / "again")  # the first run also warms up the machine
        print(f"undisturbed: {duration_s:.1f} s, {len(undisturbed['sessions'])} sessions")
        wrong = 0
        for number in range(1, options.times + 1):
            data = folder / f"killed-{number}"
            moment_s = moments.uniform(0, duration_s)
            killed = kill_at(source, data, moment_s)
            finish(source, data)
            lines = differences(data, undisturbed)
            wrong += bool(lines)
            print(f"{number:>4}  {'killed' if killed else 'over  '} at {moment_s:5.1f} s  {'; '.join(lines) or 'same'}")
            shutil.rmtree(data)
    print(f"{options.times - wrong} of {options.times} ended like the undisturbed night")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
