"""The log of a run has every epoch once, even if the run was killed, and is drawn as curves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pmfer_faces import write_ferplus
from small_model import SMALL, model_table

import pmfer.train as module
from cli.app import main
from pmfer.checkpoint import CHECKPOINT_FILE, load_checkpoint
from pmfer.config import read_config
from pmfer.datasets import read_ferplus
from pmfer.plots import CURVES_FILE, draw_curves
from pmfer.train import LOG_FILE, append_row, keep_epochs, read_log

EPOCHS = 6
CONFIG = f"""
{model_table(SMALL)}

[schedule]
epochs = {EPOCHS}
batch = 8
sizes_px = [[0.0, 32]]
"""
DEADLINE_S = 120


def row(epoch: int, **values: float | None) -> dict[str, float | None]:
    return {"epoch": epoch, "classification": 1.0 / epoch, "valid_strict": 0.5, "seconds": 1.0} | values


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / LOG_FILE
    for epoch in (1, 2, 3):
        append_row(path, row(epoch))
    return path


def test_a_line_cut_off_by_a_kill_is_left_out(log: Path) -> None:
    with log.open("a") as stream:
        stream.write('{"epoch": 4, "classific')
    assert [entry["epoch"] for entry in read_log(log)] == [1, 2, 3]


def test_an_epoch_without_a_checkpoint_is_forgotten_and_logged_anew(log: Path) -> None:
    with log.open("a") as stream:
        stream.write('{"epoch": 4')
    keep_epochs(log, 2)
    append_row(log, row(3, classification=7.0))
    entries = read_log(log)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    assert entries[-1]["classification"] == 7.0
    assert len(log.read_text().splitlines()) == 3


def test_a_log_with_an_epoch_twice_shows_the_later(log: Path) -> None:
    append_row(log, row(2, classification=9.0))
    assert [entry["classification"] for entry in read_log(log)] == [1.0, 9.0, pytest.approx(1 / 3, abs=1e-5)]


def test_small_numbers_keep_their_digits(tmp_path: Path) -> None:
    append_row(tmp_path / LOG_FILE, row(1, learning_rate=1.2345678e-7))
    assert read_log(tmp_path / LOG_FILE)[0]["learning_rate"] == 1.23457e-7


def test_a_folder_without_a_log_has_no_epochs(tmp_path: Path) -> None:
    keep_epochs(tmp_path / LOG_FILE, 0)
    assert read_log(tmp_path / LOG_FILE) == []
    draw_curves([], tmp_path / CURVES_FILE)
    assert not (tmp_path / CURVES_FILE).exists()


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_stops_around_a_checkpoint_logs_every_epoch_once(
    after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.replace(f"epochs = {EPOCHS}", "epochs = 3"))
    write_ferplus(tmp_path / "faces.parquet", train=8, valid=8)
    faces, config = read_ferplus(tmp_path / "faces.parquet", "train"), read_config(tmp_path / "config.toml")

    class StoppedError(Exception):
        pass

    save = module._Run.save

    def stop_at_the_second(self: module._Run, path: Path, epochs_done: int) -> None:
        if after or epochs_done < 2:
            save(self, path, epochs_done)
        if epochs_done == 2:
            raise StoppedError

    monkeypatch.setattr(module._Run, "save", stop_at_the_second)
    with pytest.raises(StoppedError):
        module.train(config, faces, faces, tmp_path, device=torch.device("cpu"))
    monkeypatch.undo()
    module.train(config, faces, faces, tmp_path, device=torch.device("cpu"))
    lines = (tmp_path / LOG_FILE).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def training(folder: Path, out: Path) -> list[str]:
    """The arguments of the command line, without `pmfer`."""
    return ["train", str(folder / "config.toml"), "--data", str(folder / "faces.parquet"), "--out", str(out)]


def start_training(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    # The same number of threads as here: sums in another order would differ in the last digit.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    with (folder / "output.txt").open("a") as output:
        command = [sys.executable, "-m", "cli", *training(folder, out)]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def train_to_the_end(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pmfer", *training(folder, out)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the file exists; fail if the process ends or the deadline passes first."""
    deadline = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert process.poll() is None, f"ended before {path.name} was there; output.txt says why"
        assert time.monotonic() < deadline, f"{path.name} never appeared"
        time.sleep(0.005)


@pytest.mark.slow
def test_a_run_that_was_killed_ends_like_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    write_ferplus(tmp_path / "faces.parquet", train=64, valid=16)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    killed = start_training(tmp_path, parts)
    try:
        wait_for(parts / CHECKPOINT_FILE, killed)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(timeout=DEADLINE_S) == -signal.SIGKILL
        done = load_checkpoint(parts / CHECKPOINT_FILE)[3]
        assert 1 <= done < EPOCHS, "the kill came too late to show anything"
    finally:
        killed.kill()
        killed.wait()
    for out in (parts, whole):
        train_to_the_end(tmp_path, out, monkeypatch)
    _, expected, _, _ = load_checkpoint(whole / CHECKPOINT_FILE)
    _, resumed, _, epochs = load_checkpoint(parts / CHECKPOINT_FILE)
    assert epochs == EPOCHS
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, msg=name)
    lines = [[json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()] for out in (whole, parts)]
    assert [entry["epoch"] for entry in lines[1]] == list(range(1, EPOCHS + 1))
    for first, second in zip(*lines, strict=True):
        del first["seconds"], second["seconds"]
        assert second == pytest.approx(first, rel=1e-4)
    assert (parts / CURVES_FILE).stat().st_size > 10_000
