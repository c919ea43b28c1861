"""A ward on disk matches its truth."""

import contextlib
import json
import statistics
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from pmfer.pain import ASLEEP_S
from simulator.scene import Cover, View
from simulator.session import SessionKind
from simulator.truth import TRUTH_FILE, SessionTruth, WardTruth, read_truth
from simulator.ward import WardPlan, write_ward

PLAN = WardPlan(first_day=date(2026, 3, 26), days=6, seconds_per_session=1.2, frames_per_second=5, size=(160, 120))


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WardTruth]:
    folder = tmp_path_factory.mktemp("source") / "ward"
    return folder, write_ward(folder, PLAN, workers=2)


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def of_kind(truth: WardTruth, kind: SessionKind) -> list[SessionTruth]:
    found = [session for session in truth.sessions if session.kind is kind]
    assert found, kind
    return found


def test_every_session_has_a_video_and_a_sidecar_that_agree(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    expected = {session.video for session in truth.sessions} | {
        s.video.replace(".mp4", ".json") for s in truth.sessions
    }
    assert files == expected | {TRUTH_FILE}
    for session in truth.sessions:
        sidecar = json.loads((folder / session.video).with_suffix(".json").read_text(encoding="utf-8"))
        assert sidecar == {
            "session_id": session.session_id,
            "patient_id": session.patient_id,
            "started_at": session.started_at.isoformat(),
            "consent": session.consent,
        }
        started = datetime.fromisoformat(sidecar["started_at"])
        assert started.tzinfo is not None
        assert session.video.split("/")[0] == started.date().isoformat()


def test_the_clock_follows_summer_time(ward: tuple[Path, WardTruth]) -> None:
    offsets = {s.started_at.date(): s.started_at.isoformat()[-6:] for s in ward[1].sessions}
    assert offsets[date(2026, 3, 28)] == "+01:00"
    assert offsets[date(2026, 3, 29)] == "+02:00"


def test_whole_videos_have_the_frames_that_were_drawn(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    for kind in (SessionKind.CLEAR, SessionKind.DARK, SessionKind.BLANKET, SessionKind.HAND, SessionKind.EMPTY_ROOM):
        for session in of_kind(truth, kind)[:3]:
            assert len(pictures(folder / session.video)) == session.frames == 6


def test_damaged_files_are_damaged_as_the_truth_says(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    for session in of_kind(truth, SessionKind.EMPTY_FILE):
        assert (folder / session.video).stat().st_size == 0
    for session in of_kind(truth, SessionKind.NOT_A_VIDEO):
        with pytest.raises(av.error.InvalidDataError):
            av.open(str(folder / session.video))
    for session in of_kind(truth, SessionKind.TRUNCATED):
        assert b"mdat" in (folder / session.video).read_bytes()
        with pytest.raises(av.error.InvalidDataError):
            av.open(str(folder / session.video))
    for session in of_kind(truth, SessionKind.CUT_SHORT):
        with av.open(str(folder / session.video)) as container:
            assert container.streams.video[0].frames == session.frames
            assert 1 <= len(_decodable(container)) < session.frames


def _decodable(container: av.container.InputContainer) -> list[av.VideoFrame]:
    found: list[av.VideoFrame] = []
    with contextlib.suppress(av.error.FFmpegError):
        found.extend(container.decode(video=0))
    return found


def test_dark_sessions_are_dark_and_empty_rooms_do_not_move(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    for session in of_kind(truth, SessionKind.DARK):
        assert np.mean(pictures(folder / session.video)) < 25
    for session in of_kind(truth, SessionKind.EMPTY_ROOM):
        first, *_, last = pictures(folder / session.video)
        assert np.abs(first.astype(int) - last).mean() < 4


def test_one_patient_lies_in_every_session_and_the_others_in_none(ward: tuple[Path, WardTruth]) -> None:
    truth = ward[1]
    lying = truth.of_patient("aspen-06")
    assert {session.kind for session in lying} == {SessionKind.CLEAR}
    assert {session.view for session in lying} == {View.ABOVE, View.SIDE, View.FOOT}
    assert {session.turn_deg for session in lying} == {0, 45, 90, -90, 180}
    assert {session.cover for session in lying} == {Cover.NONE, Cover.OXYGEN_MASK, Cover.NASAL_TUBE}
    others = [session for session in truth.sessions if session.patient_id != "aspen-06"]
    assert {(session.view, session.turn_deg, session.asleep) for session in others} == {(View.FRONT, 0, False)}


def test_a_cover_that_hides_the_face_is_in_the_truth(ward: tuple[Path, WardTruth]) -> None:
    truth = ward[1]
    for kind, cover in ((SessionKind.BLANKET, Cover.BLANKET), (SessionKind.HAND, Cover.HAND)):
        assert {session.cover for session in of_kind(truth, kind)} == {cover}
    for session in truth.sessions:
        assert session.shows_face is (session.kind is SessionKind.CLEAR and session.cover is not Cover.OXYGEN_MASK)


def test_a_sleeper_is_filmed_long_enough_and_hardly_moves(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    asleep = [session for session in truth.sessions if session.asleep]
    assert {session.patient_id for session in asleep} == {"aspen-06"}
    for session in asleep:
        assert session.duration_s > ASLEEP_S
        assert session.mean_units == {unit: float(unit == "au43") for unit in session.mean_units}
        assert session.pain_activity == 0
        first, *between, last = pictures(folder / session.video)
        assert len(between) + 2 == session.frames
        assert np.abs(first.astype(int) - last).mean() < 4


def test_one_session_lacks_consent_one_day_is_missing_and_a_visitor_comes(ward: tuple[Path, WardTruth]) -> None:
    truth = ward[1]
    assert sum(not session.consent for session in truth.sessions) == 1
    days = {session.started_at.date() for session in truth.of_patient("birch-01")}
    assert len(days) == PLAN.days - 1
    assert any(session.visitor for session in truth.sessions)


def test_the_courses_show_in_the_truth() -> None:
    """In the planned action units, without drawing: pain rises, the face flattens, stable patients do not change."""
    from simulator.patients import PATIENTS
    from simulator.ward import _patient_sessions, _truth

    plan = replace(PLAN, days=21, seconds_per_session=8.0)
    truth = _truth(plan, {patient: _patient_sessions(plan, patient) for patient in PATIENTS})
    after = {}
    for patient in truth.patients:
        sessions = [session for session in truth.of_patient(patient.patient_id) if session.shows_face]
        early, late = sessions[: len(sessions) // 2], sessions[-len(sessions) // 5 :]
        after[patient.patient_id] = tuple(
            statistics.mean(measure(s) for s in late) / statistics.mean(measure(s) for s in early)
            for measure in (lambda s: s.pain_activity, lambda s: s.mean_units["au12"])
        )
    assert after["maple-03"][0] > 2.5
    assert after["willow-04"][1] < 0.35
    for stable in ("birch-01", "cedar-02"):  # the sessions of the others are not all alike
        assert 0.7 < after[stable][0] < 1.4
        assert 0.7 < after[stable][1] < 1.4


def test_a_second_write_does_nothing(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    calls: list[tuple[int, int]] = []
    assert write_ward(folder, PLAN, workers=2, on_progress=lambda done, total: calls.append((done, total))) == truth
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert calls == []


def test_what_is_missing_is_written_again_with_the_same_content(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    lost = folder / of_kind(truth, SessionKind.CLEAR)[4].video
    content = lost.read_bytes()
    lost.unlink()
    lost.with_suffix(".json").unlink()
    calls: list[tuple[int, int]] = []
    write_ward(folder, PLAN, workers=2, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1)]
    assert lost.read_bytes() == content


def test_the_truth_reads_back(ward: tuple[Path, WardTruth]) -> None:
    folder, truth = ward
    assert read_truth(folder) == truth
    assert truth.plan["days"] == 6


def test_another_plan_needs_another_folder(ward: tuple[Path, WardTruth]) -> None:
    with pytest.raises(ValueError, match="another plan"):
        write_ward(ward[0], replace(PLAN, seed=2))


@pytest.mark.parametrize(
    "change", [{"days": 0}, {"sessions_per_day": 0}, {"size": (161, 120)}, {"seconds_per_session": 0.0}]
)
def test_impossible_plans_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(PLAN, **change)  # type: ignore[arg-type]
