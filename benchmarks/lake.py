"""Measure how long storing a session holds the lock of a lake, and how many bytes its Parquet files take per row.

    python -m benchmarks.lake 'ducklake:postgres:host=/tmp dbname=bench' --sessions 100 --frames 3000 --out FOLDER

The database must exist and be empty. Sessions are stored as workers do it: each is written to the inbox, then fifty are
stored in a transaction. Then the lake is tidied.
"""

import argparse
import statistics
import time
from datetime import timedelta
from pathlib import Path

from benchmarks.warehouse import FIRST_DAY, Size, digest, made_up_frames, result_of, sessions_of
from flows.data_folder import DataFolder
from flows.inbox import hand_over_session, store_together
from flows.scoring import TOGETHER
from warehouse.address import parse_address
from warehouse.connection import open_writer
from warehouse.lake import tidy
from warehouse.records import BundleRecord, RunRecord
from warehouse.runs import start_run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="address of a lake that does not exist yet")
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--together", type=int, default=TOGETHER, help="sessions per transaction")
    parser.add_argument("--frames", type=int, default=3000, help="per session")
    parser.add_argument("--out", type=Path, required=True, help="folder for the Parquet files")
    options = parser.parse_args()
    address = parse_address(options.address, published=options.out / "none", lake=options.out / "lake")
    bundle = BundleRecord(digest("card"), "bench", digest("weights"), digest("prompts"), {"name": "bench"})
    run, data = RunRecord("run", FIRST_DAY, "bench", bundle.bundle_id, digest("options"), {}), DataFolder(options.out)
    wall_s, cpu_s, waiting_s = [], [], []
    with open_writer(address) as connection:
        start_run(connection, run)
        sessions = list(sessions_of(FIRST_DAY, Size(options.sessions, 1, 1, options.frames)))
        for first in range(0, len(sessions), options.together):
            some = sessions[first : first + options.together]
            results = [result_of(session, made_up_frames(seed, options.frames), run) for session, seed in some]
            began = time.perf_counter()
            for result in results:
                hand_over_session(data, None, bundle, result)
            handed_over, worked = time.perf_counter(), time.process_time()
            store_together(connection, data, bundle, results, consent_required=False)
            waiting_s.append((handed_over - began) / len(some))
            wall_s.append((time.perf_counter() - handed_over) / len(some))
            cpu_s.append((time.process_time() - worked) / len(some))
        rows = options.sessions * options.frames
        stored = files_in(options.out)
        tidy(connection, timedelta(0))
    print(f"a session: {min(wall_s):.3f} s at best, {statistics.median(wall_s):.3f} s as a median")
    print(f"processor time of this process: {statistics.median(cpu_s):.3f} s")
    print(f"writing it to the inbox first: {statistics.median(waiting_s):.3f} s")
    print(f"{sum(stored) / rows:.0f} bytes a frame row in {len(stored)} files")
    tidied = files_in(options.out)
    print(f"{sum(tidied) / rows:.0f} bytes in {len(tidied)} files, tidied")


def files_in(folder: Path) -> list[int]:
    """Bytes of every Parquet file below a folder."""
    return [path.stat().st_size for path in folder.rglob("*.parquet")]


if __name__ == "__main__":
    main()
