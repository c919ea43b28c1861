"""Drawn faces are good enough for the real detector and the released model."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli.demo import FIRST_DAY, SECONDS_PER_SESSION
from inference.crop import crop_face
from inference.detect import CenterFace
from inference.faces import Faces
from inference.model import ExpressionModel
from inference.options import ScoringOptions, centerface_weights
from inference.score import Scorer
from inference.scored import ScoredVideo
from pmfer.bundle import load_bundle
from pmfer.errors import VideoError
from pmfer.pain import CLOSED, OF_THE_EYES, PAIN_COLUMNS, SMILE, pain_activity
from simulator.appearance import sample_appearance
from simulator.camera import Sensor
from simulator.face import Person, draw_face
from simulator.pose import Pose
from simulator.scene import SITTING_UP, Cover, Scene, View
from simulator.script import Manner, Script
from simulator.session import Bedside, Film, SessionKind, SessionPlan, session_film, session_script
from simulator.surroundings import paint_room
from simulator.truth import SessionTruth, WardTruth
from simulator.ward import WardPlan, write_ward

SIZE, DETECTOR_SIZE = (480, 360), (384, 288)  # width and height; the detector sees what the product gives it
RATE = 5  # frames a second of the recordings: as many as are scored
PEOPLE = range(9000, 9024)  # seeds that were not looked at during development
FACES: dict[str, dict[int, float]] = {
    "neutral": {},
    "smile": {6: 0.8, 12: 1.0},
    "pain": {4: 1.0, 6: 0.7, 7: 0.9, 9: 0.7, 10: 0.8, 43: 1.0},
}


@dataclass(frozen=True)
class Drawn:
    """A drawn face, and what the detector finds in it."""

    picture: NDArray[np.uint8]
    pose: Pose
    faces: Faces


def pose_of(seed: int) -> Pose:
    """A head turned and placed at random."""
    rng = np.random.default_rng(seed)
    yaw, pitch, roll = rng.uniform(-15, 15, 3)
    return Pose(yaw, pitch, roll, x=rng.uniform(0.4, 0.6), y=0.42, size=rng.uniform(0.42, 0.6))


def pictures_of(seed: int, pose: Pose) -> dict[str, NDArray[np.uint8]]:
    """All FACES of one person, who is prepared only once."""
    look, rng = sample_appearance(seed), np.random.default_rng(seed)
    person, sensor, room = Person(look, SIZE, pose), Sensor(look.camera, SIZE, rng), paint_room(look, pose, SIZE)
    person.draw_body(room)
    pictures = {}
    for name, units in FACES.items():
        scene = room.copy()
        person.draw_head(scene, units, pose)
        pictures[name] = sensor.expose(scene, rng)
    return pictures


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Drawn]]:
    """All FACES of all PEOPLE."""
    detector = CenterFace(centerface_weights(), ScoringOptions().min_detection_score, threads=1)
    found: dict[str, list[Drawn]] = {name: [] for name in FACES}
    for seed in PEOPLE:
        pose = pose_of(seed)
        for name, picture in pictures_of(seed, pose).items():
            small = np.asarray(Image.fromarray(picture).resize(DETECTOR_SIZE))
            faces = detector.detect(small[None])[0].mapped((SIZE[0] / DETECTOR_SIZE[0], SIZE[1] / DETECTOR_SIZE[1]))
            found[name].append(Drawn(picture, pose, faces))
    return found


def test_these_pictures_are_those_of_the_simulator() -> None:
    seed, pose, (name, units) = PEOPLE[0], pose_of(PEOPLE[0]), next(iter(FACES.items()))
    alone = draw_face(sample_appearance(seed), units, pose=pose, size=SIZE, seed=seed)
    assert np.array_equal(pictures_of(seed, pose)[name], alone)


def test_the_detector_finds_the_one_face_where_it_was_drawn(drawn: dict[str, list[Drawn]]) -> None:
    for one in (one for alike in drawn.values() for one in alike):
        assert len(one.faces) == 1
        left, top, width, height = one.faces.boxes[0]
        assert left < one.pose.x * SIZE[0] < left + width  # between the eyes
        assert top < one.pose.y * SIZE[1] < top + height
        assert 0.6 < height / (one.pose.size * SIZE[1]) < 1.4


@pytest.fixture(scope="module")
def scores(drawn: dict[str, list[Drawn]]) -> dict[str, NDArray[np.float32]]:
    """Scores [people] of three faces of each person by column name: `neutral:au12`, `smile:au12`, `pain:au04`, ..."""
    bundle = load_bundle()
    model, geometry = ExpressionModel(bundle, threads=1), bundle.card.crop["centerface"]
    found = {}
    for name, alike in drawn.items():
        grey = [np.asarray(Image.fromarray(one.picture).convert("L")) for one in alike]
        crops = [crop_face(each, one.faces.boxes[0], geometry, 48) for each, one in zip(grey, alike, strict=True)]
        rows = model.score(np.stack(crops))
        found |= {f"{name}:{column}": rows[:, k] for k, column in enumerate(bundle.score_columns)}
    return found


def test_a_drawn_smile_scores_higher_on_au12_than_the_same_face_at_rest(scores: dict[str, NDArray[np.float32]]) -> None:
    assert (scores["smile:au12"] > scores["neutral:au12"]).mean() >= 0.97


@pytest.mark.parametrize("column", ["au04", "au06", "au07", "au09", "au10"])
def test_a_drawn_grimace_raises_the_pain_related_units_in_most_people(
    column: str, scores: dict[str, NDArray[np.float32]]
) -> None:
    assert (scores[f"pain:{column}"] > scores[f"neutral:{column}"]).mean() >= 0.7


def test_most_faces_at_rest_look_more_neutral_than_their_smile_or_grimace(
    scores: dict[str, NDArray[np.float32]],
) -> None:
    for other in ("smile", "pain"):
        assert (scores["neutral:neutral"] > scores[f"{other}:neutral"]).mean() >= 0.8


@dataclass(frozen=True)
class Ward:
    """A ward on disk, its truth, and what the product reads there."""

    folder: Path
    truth: WardTruth
    scorer: Scorer

    def score(self, session: SessionTruth) -> ScoredVideo:
        """Score one session."""
        return self.scorer.score(self.folder / session.video, session.session_id)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    folder = tmp_path_factory.mktemp("ward")
    patients = ("hazel-05", "aspen-06")  # difficult recordings, and a patient in bed
    plan = WardPlan(date(2026, 3, 1), days=6, seconds_per_session=1.2, frames_per_second=RATE, patients=patients)
    truth = write_ward(folder, plan, workers=1)
    return Ward(folder, truth, Scorer(load_bundle(), ScoringOptions(detector_size_px=320), threads=1))


def test_a_ward_is_read_as_its_truth_says(ward: Ward) -> None:
    for session in ward.truth.of_patient("hazel-05"):
        if session.kind in (SessionKind.TRUNCATED, SessionKind.NOT_A_VIDEO, SessionKind.EMPTY_FILE):
            with pytest.raises(VideoError) as raised:
                ward.score(session)
            assert raised.value.reason == session.kind
            continue
        summary = ward.score(session).summary
        readable = session.kind in (SessionKind.CLEAR, SessionKind.CUT_SHORT)
        assert (summary.frames_scored == summary.frames_sampled) is readable, session
        assert readable or summary.frames_scored < 0.4 * summary.frames_sampled, session
        assert (summary.warning is not None) is (session.kind is SessionKind.CUT_SHORT), session


def test_the_patient_is_scored_and_not_the_visitor(ward: Ward, tmp_path: Path) -> None:
    video, _ = recorded(tmp_path, SITTING_UP, Manner(), seconds=1.2, visitor=True)
    frames = ward.scorer.score(video).frames
    assert (frames["face_count"] == 2).all()
    assert frames["box_h_px"].min() > 100  # the patient is scored, not the visitor behind


@pytest.fixture(scope="module")
def lying(ward: Ward) -> list[tuple[SessionTruth, pl.DataFrame]]:
    """Every session of the patient who lies in bed, with its score batch."""
    return [(session, ward.score(session).frames) for session in ward.truth.of_patient("aspen-06")]


def test_whoever_lies_is_found_and_scored_however_the_head_leans(
    lying: list[tuple[SessionTruth, pl.DataFrame]],
) -> None:
    away = []
    for session, frames in lying:
        assert frames["face_count"].min() == frames["face_count"].max() == 1, session
        away.append(((frames["roll_deg"] - session.turn_deg + 180) % 360 - 180).abs())
        assert away[-1].median() < 10, session
        if session.shows_face:
            assert frames["reason"].null_count() == len(frames), session
    assert (pl.concat(away) < 15).mean() >= 0.95


def recorded(
    folder: Path, scene: Scene, manner: Manner, *, seconds: float = 6.0, visitor: bool = False
) -> tuple[Path, Script]:
    """A recording of one person in a scene, with its script."""
    film, pose = Film(seconds, Fraction(RATE), SIZE), Pose(yaw_deg=4, pitch_deg=-3)
    plan = SessionPlan("s", "p", datetime(2026, 3, 2, tzinfo=UTC), SessionKind.CLEAR, True, visitor, manner, 3, scene)
    Bedside(sample_appearance(9018, age=75), pose, film).record(plan, folder)
    return folder / "s.mp4", session_script(plan, session_film(plan, film), pose)


SMILING_NOW_AND_THEN = Manner(smiling=0.5, interest=0, talking=0, grimacing=0)


@pytest.mark.parametrize(
    "scene",
    [
        SITTING_UP,
        pytest.param(Scene(View.SIDE, 90), marks=pytest.mark.slow),
        pytest.param(Scene(View.SIDE, -90), marks=pytest.mark.slow),
        pytest.param(Scene(View.ABOVE, 180), marks=pytest.mark.slow),
        Scene(View.ABOVE, 45),
        pytest.param(Scene(View.ABOVE, -135), marks=pytest.mark.slow),
        pytest.param(Scene(View.FOOT), marks=pytest.mark.slow),
        Scene(View.SIDE, 90, Cover.NASAL_TUBE),
    ],
    ids=lambda scene: f"{scene.view}, {scene.turn_deg}, {scene.cover}",
)
def test_smiles_are_told_from_rest_however_somebody_lies(scene: Scene, ward: Ward, tmp_path: Path) -> None:
    video, script = recorded(tmp_path, scene, SMILING_NOW_AND_THEN)
    frames = ward.scorer.score(video).frames
    scored = frames.filter(pl.col("reason").is_null())
    assert len(scored) >= 0.95 * len(frames)
    drawn = np.array([script.units(time).get(12, 0.0) for time in scored["pts_s"]])
    read = scored["au12"].to_numpy()
    smiling, resting = read[drawn > 0.5], read[drawn == 0]
    assert min(len(smiling), len(resting)) >= 5
    assert (smiling[:, None] > resting).mean() >= 0.95  # the area under the ROC curve; 1.0 for somebody who sits up


def asleep_and_awake(lying: list[tuple[SessionTruth, pl.DataFrame]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frames of the sleeping sessions, and those of others without any cover."""
    asleep = pl.concat(frames for session, frames in lying if session.asleep)
    awake = pl.concat(frames for session, frames in lying if not session.asleep and session.cover is Cover.NONE)
    return asleep, awake


def test_closed_eyes_score_higher_than_those_of_somebody_awake(
    lying: list[tuple[SessionTruth, pl.DataFrame]],
) -> None:
    asleep, awake = asleep_and_awake(lying)
    assert asleep["au43"].quantile(0.1) > awake["au43"].median()


def test_a_sleeper_shows_no_more_pain_related_activity_than_somebody_awake(
    lying: list[tuple[SessionTruth, pl.DataFrame]],
) -> None:
    asleep, awake = asleep_and_awake(lying)
    assert (asleep["au43"] >= CLOSED).mean() >= 0.95
    assert (awake["au43"] >= CLOSED).mean() <= 0.2  # everybody blinks
    assert asleep["pain_activity"].mean() <= awake["pain_activity"].mean() + 0.03
    told = asleep.filter(pl.col("au43") >= CLOSED)
    without_eyes = pain_activity(
        {column: told[column].to_numpy() for column in (*PAIN_COLUMNS, *SMILE)} | dict.fromkeys(OF_THE_EYES, 0.0),
        np.maximum,
        np.minimum,
    )
    assert np.allclose(told["pain_activity"].to_numpy(), without_eyes, atol=1e-6)


def covered_share(lying: list[tuple[SessionTruth, pl.DataFrame]], *, hidden: bool) -> float:
    """Share of the frames with the reason `covered`, where the scene's cover hides the mouth or where it does not."""
    reasons = pl.concat(frames for session, frames in lying if session.cover.hides is hidden)["reason"]
    return reasons.eq_missing("covered").sum() / len(reasons)


def test_a_tube_and_a_turned_head_cover_nothing(lying: list[tuple[SessionTruth, pl.DataFrame]]) -> None:
    assert covered_share(lying, hidden=False) <= 0.05


def test_the_page_on_python_shows_what_the_first_session_of_the_demo_scores(tmp_path: Path) -> None:
    plan = WardPlan(
        FIRST_DAY, days=1, sessions_per_day=1, seconds_per_session=SECONDS_PER_SESSION, patients=("maple-03",)
    )
    write_ward(tmp_path, plan, workers=1)
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"var/demo/source/(\S+\.mp4)", page)
    printed = re.findall(r"│ (0\.\d) +┆ (\w+) +┆ ([\d.]+) +┆ ([\d.]+) +┆ ([\d.]+) +┆ null", page)
    columns = ["pts_s", "leading_expression", "confidence", "pain_activity", "au04"]
    rows = Scorer(load_bundle()).score(tmp_path / named, "demo").table.select(columns).head(3).rows()
    assert len(printed) == len(rows) == 3
    for (time, expression, *scores), row in zip(printed, rows, strict=True):
        assert (float(time), expression) == (pytest.approx(row[0]), row[1])
        assert [float(score) for score in scores] == pytest.approx(list(row[2:]), abs=0.02)  # int8 differs that little


def test_an_oxygen_mask_is_noticed(lying: list[tuple[SessionTruth, pl.DataFrame]]) -> None:
    assert covered_share(lying, hidden=True) >= 0.8
