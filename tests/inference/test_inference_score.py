"""A whole video in, a score batch out."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from inference_videos import QUICK, Picture, write_video, write_videos
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image, ImageFilter

from inference.faces import overlaps
from inference.hardware import gains_from_int8
from inference.model import ExpressionModel
from inference.options import ScoringOptions
from inference.prefetch import in_order
from inference.score import Scorer
from inference.scored import VideoSummary
from pmfer.bundle import DEFAULT_BUNDLE, INT8_FILE, Bundle, load_bundle, sha256_file, write_card
from pmfer.errors import BundleError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS, AU_COLUMNS, Region
from pmfer.quantise import quantise
from warehouse.frames import checked_frames

SCORES = [*EXPRESSION_NAMES, *AU_COLUMNS]
BOX = ["box_x_px", "box_y_px", "box_w_px", "box_h_px"]
MEASURES = [*BOX, "detection_score", "sharpness", "brightness", "face_size_px", "yaw_deg", "pitch_deg", "roll_deg"]


@pytest.fixture(scope="module")
def film(portrait: Picture, empty_room: Picture) -> list[Picture]:
    """Three seconds at ten frames per second: without, with and without the person."""
    return [empty_room] * 10 + [np.roll(portrait, step, axis=1) for step in range(10)] + [empty_room] * 10


def reasons(frames: pl.DataFrame) -> list[str | None]:
    return frames["reason"].to_list()


def test_every_sampled_frame_yields_a_row_with_scores_or_a_reason(
    tmp_path: Path, scorer: Scorer, film: list[Picture]
) -> None:
    frames, summary = _score(scorer, write_video(tmp_path / "film.mp4", film))
    assert frames["frame_index"].to_list() == list(range(0, 30, 2))
    assert frames["pts_s"].to_list() == pytest.approx([0.2 * tick for tick in range(15)])
    assert reasons(frames) == ["no_face"] * 5 + [None] * 5 + ["no_face"] * 5
    assert frames["session_id"].unique().to_list() == ["s1"]
    unscored = frames.filter(pl.col("reason").is_not_null())
    assert unscored.select(*MEASURES, *SCORES, "track_id").null_count().row(0) == (10,) * (len(MEASURES) + 29)
    scored = frames.filter(pl.col("reason").is_null())
    assert scored.select(*MEASURES, *SCORES, "track_id").null_count().sum_horizontal().item() == 0
    assert scored.select(pl.sum_horizontal(EXPRESSION_NAMES)).to_series().to_list() == pytest.approx([1.0] * 5)
    assert (summary.frames_decoded, summary.frames_sampled) == (30, 15)
    assert (summary.frames_with_face, summary.frames_scored) == (5, 5)
    assert summary.duration_s == pytest.approx(2.9)
    assert summary.leading_expression in EXPRESSION_NAMES
    assert summary.warning is None


def test_columns_are_those_of_the_warehouse(tmp_path: Path, scorer: Scorer, film: list[Picture]) -> None:
    frames, _ = _score(scorer, write_video(tmp_path / "film.mp4", film[10:12]))
    assert dict(frames.schema) == {
        "session_id": pl.String,
        "frame_index": pl.Int32,
        "pts_s": pl.Float64,
        "face_count": pl.Int32,
        "track_id": pl.Int32,
        "is_subject": pl.Boolean,
        **dict.fromkeys(MEASURES, pl.Float32),
        "occlusion": pl.Float32,
        "reason": pl.String,
        **dict.fromkeys((*SCORES, "pain_activity"), pl.Float32),
    }
    migrations = Path(__file__).parents[2] / "warehouse" / "migrations"
    table = (migrations / "0001_initial.sql").read_text().split("CREATE TABLE frame_scores (")[1].split(");")[0]
    names = [part.split()[0] for part in table.replace("\n", " ").split(",")]
    assert frames.columns == [*names[1:], "pain_activity"]  # added by a later migration


def test_same_input_gives_the_same_bytes_whatever_the_threads_and_nearly_so_whatever_the_batch_size(
    tmp_path: Path, bundle: Bundle, scorer: Scorer, film: list[Picture]
) -> None:
    path = write_video(tmp_path / "film.mp4", film[6:20])
    first = _parquet(_score(scorer, path)[0])
    assert _parquet(_score(scorer, path)[0]) == first
    for threads in (1, 3):
        again = Scorer(bundle, QUICK, batch_size=4, threads=threads)
        assert _parquet(_score(again, path)[0]) == first
    other = _score(Scorer(bundle, QUICK, batch_size=5, threads=1), path)[0]
    np.testing.assert_allclose(
        other.select(SCORES).to_numpy(), _score(scorer, path)[0].select(SCORES).to_numpy(), atol=1e-3
    )


def test_every_frame_is_a_choice_that_changes_the_identity(tmp_path: Path, bundle: Bundle, film: list[Picture]) -> None:
    options = replace(QUICK, frames_per_second=None)
    frames, _ = _score(Scorer(bundle, options, threads=1), write_video(tmp_path / "film.mp4", film[5:15]))
    assert frames["frame_index"].to_list() == list(range(10))
    assert options.digest() != QUICK.digest()


def test_others_are_counted_and_never_scored(
    tmp_path: Path, scorer: Scorer, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    score = ExpressionModel.score

    def watched(self: ExpressionModel, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(len(crops))
        return score(self, crops)

    monkeypatch.setattr(ExpressionModel, "score", watched)
    visitor = np.asarray(Image.fromarray(portrait).resize((300, 300)))[:, ::-1]
    together = np.full((512, 812, 3), 100, np.uint8)
    together[:, :512], together[100:400, 512:] = portrait, visitor
    alone = np.full((512, 812, 3), 100, np.uint8)
    alone[100:400, 512:] = visitor
    frames, summary = _score(scorer, write_video(tmp_path / "ward.mp4", [together] * 30 + [alone] * 10))
    assert frames["face_count"].to_list() == [2] * 15 + [1] * 5
    assert reasons(frames) == [None] * 15 + ["not_subject"] * 5
    assert frames["is_subject"].to_list() == [True] * 15 + [False] * 5
    assert frames["box_x_px"].max() < 300
    assert frames[15:].select(*MEASURES, *SCORES, "track_id").null_count().row(0) == (5,) * (len(MEASURES) + 29)
    assert sum(seen) == summary.frames_scored == 15


def test_a_bundle_in_colour_gets_rgb_crops_normalised_by_channel(
    tmp_path: Path, colour_bundle: Bundle, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[np.uint8]] = []
    score = ExpressionModel.score

    def watched(self: ExpressionModel, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(crops)
        return score(self, crops)

    monkeypatch.setattr(ExpressionModel, "score", watched)
    path = write_video(tmp_path / "film.mp4", [portrait] * 6)
    frames, summary = _score(Scorer(colour_bundle, QUICK, batch_size=4, threads=1), path)
    assert summary.frames_scored == 3  # a face of about 110 px is not blurred because its crop has 224
    crops = np.concatenate(seen)
    assert crops.shape == (3, 224, 224, 3)
    red, _, blue = crops.reshape(-1, 3).mean(0)
    assert red > blue + 20  # skin
    spec = colour_bundle.card.input
    planes = ((crops / 255 - np.array(spec.mean)) / np.array(spec.std)).transpose(0, 3, 1, 2).reshape(3, -1)
    weights = {w.name: numpy_helper.to_array(w) for w in onnx.load(colour_bundle.weights).graph.initializer}
    expected = 1 / (1 + np.exp(-(planes @ weights["au_phrase_weight"])))
    np.testing.assert_allclose(frames.select(AU_COLUMNS).to_numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("flaw", ["too_dark", "too_bright", "too_small", "too_blurred"])
def test_face_that_cannot_be_read_keeps_its_box_and_gets_its_reason(
    tmp_path: Path, bundle: Bundle, portrait: Picture, flaw: str
) -> None:
    """The limits are moved to the face, because a detector hardly finds a face beyond the usual limits."""
    options = {
        "too_dark": replace(QUICK, min_brightness=0.8),
        "too_bright": QUICK,
        "too_small": replace(QUICK, min_face_px=300),
        "too_blurred": replace(QUICK, min_sharpness=0.4),
    }[flaw]
    shown = {
        "too_blurred": np.asarray(Image.fromarray(portrait).filter(ImageFilter.GaussianBlur(6))),
        "too_bright": np.clip(portrait * 2.2, 0, 255).astype(np.uint8),
    }.get(flaw, portrait)
    path = write_video(tmp_path / "flaw.mp4", [shown] * 4)
    frames, summary = _score(Scorer(bundle, options, threads=1), path)
    assert reasons(frames) == [flaw] * 2
    assert frames["is_subject"].all()
    assert frames.select(MEASURES).null_count().sum_horizontal().item() == 0
    assert frames.select(SCORES).null_count().row(0) == (2,) * 28
    assert (summary.frames_with_face, summary.frames_scored, summary.leading_expression) == (2, 0, None)


def test_a_face_smeared_by_motion_is_not_scored(tmp_path: Path, bundle: Bundle, portrait: Picture) -> None:
    smeared = np.mean([np.roll(portrait, step, axis=1) for step in range(20)], axis=0).astype(np.uint8)
    frames, _ = _score(Scorer(bundle, QUICK, threads=1), write_video(tmp_path / "moved.mp4", [smeared] * 4))
    assert reasons(frames) == ["too_blurred"] * 2


@pytest.mark.parametrize("region", [Region.BROW, Region.MOUTH])
def test_what_is_covered_has_no_score(
    tmp_path: Path, bundle: Bundle, film: list[Picture], scorer: Scorer, region: Region
) -> None:
    """The bundle reports one region as covered in every crop."""
    shutil.copytree(bundle.path, tmp_path / "bundle")
    limits = {each.value: 1.0 if each is region else 0.0 for each in Region}
    write_card(tmp_path / "bundle", replace(bundle.card, calibration={"visible_from": limits}))
    video = write_video(tmp_path / "film.mp4", film[8:16])
    frames, _ = _score(Scorer(load_bundle(tmp_path / "bundle"), QUICK, threads=1), video)
    plain, _ = _score(scorer, video)
    assert checked_frames({"s1": frames}).height == len(frames)
    seen = frames.filter("is_subject")
    assert seen["occlusion"].is_between(0, 1).all()
    assert seen["occlusion"].null_count() == 0
    assert plain["occlusion"].null_count() == len(plain)
    if region is Region.MOUTH:
        assert set(reasons(seen)) == {"covered"}
        assert seen.select(*SCORES, "pain_activity").null_count().row(0) == (len(seen),) * 29
    else:
        assert set(reasons(seen)) == {None}
        gone = {name for name in (*SCORES, "pain_activity") if seen[name].null_count() == len(seen)}
        assert gone == {unit.column for unit in ACTION_UNITS if unit.region is region} | {"pain_activity"}
        kept = [name for name in SCORES if name not in gone]
        assert seen.select(kept).equals(plain.filter("is_subject").select(kept))


def test_grey_video_scores_like_its_coloured_original(tmp_path: Path, scorer: Scorer, portrait: Picture) -> None:
    grey = np.asarray(Image.fromarray(portrait).convert("L").convert("RGB"))
    first, _ = _score(scorer, write_video(tmp_path / "grey.mkv", [grey] * 4, codec="ffv1", pixel_format="gray"))
    second, _ = _score(
        scorer, write_video(tmp_path / "colour.mkv", [portrait] * 4, codec="ffv1", pixel_format="yuv444p")
    )
    assert reasons(first) == reasons(second) == [None, None]
    assert first["brightness"].to_list() == pytest.approx(second["brightness"].to_list(), abs=0.02)


def test_frames_are_decoded_batch_by_batch(tmp_path: Path, scorer: Scorer, film: list[Picture]) -> None:
    calls: list[tuple[float, float | None]] = []
    path = write_video(tmp_path / "film.mp4", film)
    scorer.score(path, "s1", on_progress=lambda done_s, announced_s: calls.append((done_s, announced_s)))
    assert [done_s for done_s, _ in calls] == pytest.approx([0.8, 1.6, 2.4, 2.8])  # each ends with a keyframe
    assert {announced_s for _, announced_s in calls} == {3.0}


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_cameras_the_one_with_the_face_is_scored_and_the_other_told(
    tmp_path: Path, scorer: Scorer, portrait: Picture, empty_room: Picture, first: int
) -> None:
    films = [[empty_room] * 10, [portrait] * 10]
    path = write_videos(tmp_path / "cameras.mp4", films if first == 0 else films[::-1], (0,))
    frames, summary = _score(scorer, path)
    assert reasons(frames) == [None] * 5
    assert summary.warning == f"2 recordings in one file: only the one in stream {1 - first} is scored (512 x 512)"


@pytest.fixture(scope="module")
def elsewhere(portrait: Picture) -> Picture:
    """The same person in the corner of the picture, smaller."""
    picture = np.full_like(portrait, 100)
    picture[200:, 200:] = np.asarray(Image.fromarray(portrait).resize((312, 312)))
    return picture


def test_face_after_a_gap_of_two_hours_is_the_same_subject(
    tmp_path: Path, scorer: Scorer, portrait: Picture, elsewhere: Picture
) -> None:
    times_ms = [100 * number + (7_200_000 if number >= 10 else 0) for number in range(20)]
    path = write_video(tmp_path / "gap.mkv", [portrait] * 10 + [elsewhere] * 10, times_ms=times_ms)
    frames, summary = _score(scorer, path)
    assert reasons(frames) == [None] * 10
    assert summary.duration_s == pytest.approx(1.9, abs=0.1)
    assert summary.warning == "timestamps jump forward at 1.0 s: 7200 s without a picture left out"


@pytest.mark.parametrize("step_ms", [5000, 60_000, 61_000, 300_000])
def test_subject_of_a_time_lapse_is_who_dominates_it_not_the_face_of_one_frame(
    tmp_path: Path, scorer: Scorer, portrait: Picture, elsewhere: Picture, step_ms: int
) -> None:
    times_ms = [step_ms * number + number * 7 % 5 for number in range(12)]
    film = [elsewhere] * 6 + [portrait] + [elsewhere] * 5  # the face of one frame is larger
    frames, _ = _score(scorer, write_video(tmp_path / "lapse.mp4", film, times_ms=times_ms))
    assert reasons(frames) == [None] * 6 + ["not_subject"] + [None] * 5


def test_face_in_the_second_of_two_joined_files_is_the_same_subject(
    tmp_path: Path, scorer: Scorer, portrait: Picture, elsewhere: Picture
) -> None:
    parts = [write_video(tmp_path / f"{n}.ts", [picture] * 20) for n, picture in enumerate((portrait, elsewhere))]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, summary = _score(scorer, path)
    assert reasons(frames) == [None] * 20
    assert summary.warning is None  # nothing was left out


def test_face_after_a_gap_is_the_same_subject_where_pairs_of_frames_have_one_time(
    tmp_path: Path, bundle: Bundle, portrait: Picture, elsewhere: Picture
) -> None:
    times_ms = [200 * (number // 2) + (7_200_000 if number >= 6 else 0) for number in range(12)]
    path = write_video(tmp_path / "gap.mkv", [portrait] * 6 + [elsewhere] * 6, times_ms=times_ms)
    frames, _ = _score(Scorer(bundle, replace(QUICK, frames_per_second=None), threads=1), path)
    assert frames["pts_s"].n_unique() < 12
    assert reasons(frames) == [None] * 12


def test_picture_size_may_change_in_mid_recording(tmp_path: Path, scorer: Scorer, portrait: Picture) -> None:
    small = np.asarray(Image.fromarray(portrait).resize((256, 256)))
    path = tmp_path / "joined.h264"
    parts = [write_video(tmp_path / f"{len(picture)}.h264", [picture] * 10) for picture in (portrait, small)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, _ = _score(scorer, path)
    assert frames["face_count"].to_list() == [1] * 4
    assert reasons(frames) == [None, None, "not_subject", "not_subject"]  # half as large, so it counts as somebody else


def test_several_videos_at_once_get_the_scores_that_each_gets_alone(
    tmp_path: Path, scorer: Scorer, film: list[Picture]
) -> None:
    longer, shorter = write_video(tmp_path / "long.mp4", film[8:24]), write_video(tmp_path / "short.mp4", film[8:14])
    paths = [longer, shorter, shorter]
    for together, path in zip(in_order(scorer.score, paths, at_once=3), paths, strict=True):
        assert together.frames.equals(scorer.score(path).frames)


def test_int8_is_a_choice_that_changes_the_identity_and_little_else(
    tmp_path: Path, bundle: Bundle, portrait: Picture
) -> None:
    """Tests both graphs, whichever one this machine would choose."""
    shutil.copytree(bundle.path, tmp_path / "int8")
    crops = np.random.default_rng(1).integers(0, 255, (64, 48, 48), np.uint8)
    quantise(bundle.weights, bundle.card.input, crops, tmp_path / "int8" / INT8_FILE)
    card = replace(bundle.card, int8_sha256=sha256_file(tmp_path / "int8" / INT8_FILE))
    write_card(tmp_path / "int8", card)
    both = load_bundle(tmp_path / "int8")
    path = write_video(tmp_path / "film.mp4", [portrait] * 6)
    frames = {
        int8: _score(Scorer(both, replace(QUICK, int8=int8), threads=1), path)[0].select(SCORES).to_numpy()
        for int8 in (False, True)
    }
    assert 0 < np.abs(frames[True] - frames[False]).max() < 0.1
    assert ScoringOptions(int8=True).digest() != ScoringOptions(int8=False).digest()
    assert ScoringOptions().digest() == ScoringOptions(int8=gains_from_int8()).digest()


def test_the_shipped_int8_graph_says_what_the_float32_one_says_on_every_processor() -> None:
    """int8 overflows on a CPU without int8 instructions. Smooth random pictures spread the activations widely."""
    bundle = load_bundle(DEFAULT_BUNDLE)
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (64, 6, 6)).astype(np.uint8)
    crops = np.stack([np.asarray(Image.fromarray(one).resize((48, 48), Image.Resampling.BICUBIC)) for one in coarse])
    plain, eight = (ExpressionModel(bundle, 1, int8=int8).score(crops) for int8 in (False, True))
    assert np.abs(eight - plain).mean() < 0.01
    assert (eight[:, :8].argmax(axis=1) == plain[:, :8].argmax(axis=1)).mean() > 0.9


def test_bundle_without_geometry_for_the_detector_is_refused(bundle: Bundle) -> None:
    crop = {"yunet": bundle.card.crop["yunet"]}
    with pytest.raises(BundleError, match="no crop geometry for detector centerface; use one of yunet"):
        Scorer(replace(bundle, card=replace(bundle.card, crop=crop)), ScoringOptions())


@pytest.mark.shared
def test_real_clips_have_their_faces_where_the_shelf_says(clips: Path, bundle: Bundle) -> None:
    scorer = Scorer(bundle, ScoringOptions(frames_per_second=2.0), threads=1)
    for name in ("face_noface.mov", "noface_face.mov"):
        frames, _ = _score(scorer, clips / name)
        assert 0.3 < (frames["face_count"] == 1).mean() < 0.7
        assert frames["track_id"].n_unique() == 2  # one person, and nobody
    frames, summary = _score(scorer, clips / "no_face.mp4")
    assert set(reasons(frames)) == {"no_face"}
    assert (summary.frames_decoded, summary.warning) == (95, None)
    frames, _ = _score(scorer, clips / "again.mkv")
    assert frames["reason"].is_null().all()
    assert frames["face_size_px"].median() == pytest.approx(80, abs=10)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["again.mkv", pytest.param("single_face.mp4", marks=pytest.mark.slow)])
def test_fast_path_stays_within_the_tolerance_that_the_documentation_states(clips: Path, name: str) -> None:
    """See docs/performance.md. Compared with detecting every frame and the float32 model; int8 if it is faster here."""
    bundle, plain = load_bundle(), ScoringOptions(frames_per_second=None, detections_per_second=None, int8=False)
    slow, _ = _score(Scorer(bundle, plain, threads=1), clips / name)
    quick = replace(plain, detections_per_second=2.5, int8=gains_from_int8())
    fast, _ = _score(Scorer(bundle, quick, threads=1), clips / name)
    assert fast.select("reason", "face_count", "track_id").equals(slow.select("reason", "face_count", "track_id"))
    for one, other in zip(fast.select(BOX).to_numpy(), slow.select(BOX).to_numpy(), strict=True):
        assert overlaps(one, other[None])[0] > 0.85
    apart = fast.select(SCORES).to_numpy() - slow.select(SCORES).to_numpy()
    assert np.abs(apart.mean(axis=0)).max() < (0.015 if quick.int8 else 0.01)
    assert np.quantile(np.abs(apart), 0.99) < 0.11


@pytest.mark.shared
def test_subject_is_the_person_in_full_view_not_the_head_cut_off_at_the_edge(clips: Path, scorer: Scorer) -> None:
    frames, summary = _score(scorer, clips / "bird.mkv")
    assert (frames["face_count"] == 2).any()
    assert frames["box_x_px"].max() < 400
    assert frames["reason"].is_null().all()
    assert summary.warning is not None
    assert "another face is nearly as prominent" in summary.warning


@pytest.mark.shared
def test_default_bundle_follows_a_person_and_tells_crying_from_laughing(clips: Path) -> None:
    """The clip: neutral, then a forced smile, crying with a hand over the face (2 to 9 s), laughing (from 10 s on)."""
    scorer = Scorer(load_bundle(), ScoringOptions(frames_per_second=2.0), threads=1)
    frames, _ = _score(scorer, clips / "WolfgangLanger_Pexels.mp4")
    assert frames["face_count"].to_list() == [1] * 40
    assert frames["track_id"].n_unique() == 1
    crying = frames.filter(pl.col("pts_s").is_between(2.4, 9.0))
    laughing = frames.filter(pl.col("pts_s") > 10.0)
    assert laughing["happiness"].median() > 0.9
    assert crying["happiness"].median() < 0.3
    assert crying["au04"].median() > laughing["au04"].median() + 0.1
    assert laughing["au12"].median() > crying["au12"].median() + 0.4


def _score(scorer: Scorer, path: Path) -> tuple[pl.DataFrame, VideoSummary]:
    scored = scorer.score(path, "s1")
    return scored.frames, scored.summary


def _parquet(frames: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    frames.write_parquet(sink)
    return sink.getvalue()
