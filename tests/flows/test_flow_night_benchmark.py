"""The figures of `make bench-night`: the parts add up to the whole, and no session is a duplicate."""

import hashlib
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.night import NIGHT, STAGES, WITHIN_SESSIONS, costs, main, read_metrics, times, write_night
from inference.video import open_video
from simulator.camera import write_video


def test_sessions_are_copies_of_a_few_films_and_yet_other_files_that_play_to_their_end(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    rng = np.random.default_rng(0)
    write_video(film, (rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(5)), Fraction(10))
    write_night([film], NIGHT, 3, tmp_path / "source")
    videos = sorted((tmp_path / "source" / NIGHT.isoformat()).glob("*.mp4"))
    assert len({hashlib.sha256(video.read_bytes()).digest() for video in videos}) == 3
    for video in videos:
        with open_video(video, 1) as opened:
            assert sum(1 for _ in opened.frames()) == 5
    sidecars = [json.loads(video.with_suffix(".json").read_text()) for video in videos]
    assert [sidecar["patient_id"] for sidecar in sidecars] == ["patient-0000", "patient-0000", "patient-0001"]


def test_stages_and_what_lies_between_and_around_them_are_the_whole(tmp_path: Path) -> None:
    metrics = tmp_path / "pmfer.prom"
    metrics.write_text(
        'pmfer_stage_duration_seconds{stage="sessions"} 6.0\n'
        'pmfer_stage_duration_seconds{stage="pull"} 1.0\n'
        'pmfer_stage_duration_seconds{stage="score"} 5.5\n'
        'pmfer_stage_duration_seconds{stage="store"} 2.0\n'
        'pmfer_stage_duration_seconds{stage="report"} 2.0\n'
        "pmfer_last_run_duration_seconds 9.0\n"
    )
    found = times(read_metrics(metrics), 12.0)
    assert (found["sessions_s"], found["score_s"]) == (6.0, 5.5)
    assert found["between_s"] == 1.0
    assert found["around_s"] == 3.0
    assert sum(found[f"{stage}_s"] for stage in STAGES) == 12.0
    assert len(found) == len(STAGES) + len(WITHIN_SESSIONS)


def test_an_hour_of_video_is_paid_by_cores_and_wall_time_or_by_processor_time() -> None:
    found = costs({"video_s": 3600.0, "wall_s": 360.0, "cpu_s": 540.0, "cores": 2}, core_hour=0.04)
    assert found["video_s_per_wall_s"] == 10.0
    assert found["cost_per_video_hour"] == pytest.approx(0.008)  # two cores for a tenth of an hour
    assert found["cost_per_video_hour_cpu"] == pytest.approx(0.006)


@pytest.mark.slow
def test_a_small_night_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["night", "--sessions", "2", "--seconds", "2", "--out", str(tmp_path)])
    main()
    figures = json.loads((tmp_path / "night.json").read_text())
    assert figures["sessions"] == 2
    assert figures["reports"] == 2  # a patient's and the ward's
    assert figures["frames_scored"] == 20
    assert figures["video_s"] == pytest.approx(2 * 47 / 24)  # from the first frame to the last
    assert sum(figures[f"{stage}_s"] for stage in STAGES) == pytest.approx(figures["wall_s"])
    assert all(figures[f"{stage}_s"] > 0 for stage in ("pull", "score", "store", "report", "between", "around"))
    assert "assumed: 0.04 per core-hour" in capsys.readouterr().out
