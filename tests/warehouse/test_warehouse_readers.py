"""Reading never waits for the night and never sees half a session, at any address."""

import subprocess
import sys
from pathlib import Path

from other_processes import python_path
from warehouse_places import as_text
from warehouse_samples import COMPLETED, sample_run, sample_session, store_sample

from warehouse.address import Address
from warehouse.connection import open_writer
from warehouse.lake import tidy
from warehouse.publish import publish
from warehouse.runs import finish_run, start_run

CHILD = Path(__file__).with_name("read_sessions.py")
ENVIRONMENT = {"PYTHONPATH": python_path()}
SESSIONS = 4


def test_readers_look_without_pause_while_a_night_is_written_and_see_whole_sessions_only(
    address: Address, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    with open_writer(address) as writer:
        store_sample(writer, sample_session("earlier"), count=400)
        publish(writer, address)
        command = [sys.executable, str(CHILD), as_text(address), str(tmp_path / "data"), str(stop)]
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
            for _ in range(2)
        ]
        assert all(reader.stdout and reader.stdout.readline() == "ready\n" for reader in readers)
        start_run(writer, sample_run())
        for number in range(SESSIONS):
            store_sample(writer, sample_session(f"s{number}"), count=4000)
            publish(writer, address)
        finish_run(writer, "run-1", COMPLETED)
        publish(writer, address)
        tidy(writer)
        stop.touch()
        for reader in readers:
            said, errors = reader.communicate()
            assert reader.returncode == 0, errors
            looks, first, last, half_stored = (int(word) for word in said.split())
            assert (first, last, half_stored) == (1, 1 + SESSIONS, 0)
            assert looks > 2
