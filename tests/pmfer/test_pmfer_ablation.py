"""The ablation: each arm leaves out what it says, a stopped one goes on, and the controls mean what they say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_model import SMALL

from pmfer.ablation import (
    ARMS,
    RESULT_FILE,
    SHARES,
    AblationFaces,
    arm_config,
    masked_phrase_accuracy,
    masked_phrase_ceiling,
    masked_prompts,
    modality_state,
    render_table,
    run_ablation,
    summarise,
)
from pmfer.augment import Normalisation
from pmfer.checkpoint import build_model, load_checkpoint
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.datasets import Faces
from pmfer.plots import draw_ablation
from pmfer.prompts import AU_COUNT, PHRASES, Prompt

CONFIG = TrainConfig(model=SMALL, schedule=ScheduleConfig(epochs=1, batch=16, sizes_px=((0.0, 32),)))


@pytest.fixture
def faces() -> Faces:
    votes = np.zeros((32, 10), dtype=np.uint8)
    votes[np.arange(32), np.arange(32) % 8] = 10
    flags = {name: np.arange(32) % 2 == 0 for name in ("occlusion", "pose30", "pose45", "duplicate_of_train")}
    return Faces(np.random.default_rng(0).integers(0, 255, (32, 48, 48), dtype=np.uint8), votes, flags)


def test_each_arm_has_one_part_more_than_the_one_before() -> None:
    losses = ("alignment", "masked_phrase", "adversary")
    parts = {arm: {name for name in losses if getattr(arm_config(CONFIG, arm, 0).loss, name)} for arm in ARMS}
    assert parts == {
        "A": set(),
        "B": {"alignment"},
        "C": {"alignment", "masked_phrase"},
        "D": {"alignment", "masked_phrase", "adversary"},
    }
    assert arm_config(CONFIG, "A", 0).loss.prompts == "class_names"
    assert {arm_config(CONFIG, arm, 2).loss.prompts for arm in "BCD"} == {"action_units"}
    assert arm_config(CONFIG, "D", 2).loss == CONFIG.loss
    assert arm_config(CONFIG, "D", 2).schedule.seed == 2


def test_an_ablation_runs_every_arm_once_and_reports_it(faces: Faces, tmp_path: Path) -> None:
    splits = AblationFaces(faces, faces, faces)
    results = run_ablation(CONFIG, splits, tmp_path, seeds=1)
    assert [(result["arm"], result["seed"]) for result in results] == [("A", 0), ("B", 0), ("C", 0), ("D", 0)]
    assert "masked_phrase" not in results[1]
    assert 0 <= results[2]["masked_phrase_text_only"] <= 1
    assert 0 < results[2]["masked_phrase_ceiling"] <= 1
    assert load_checkpoint(tmp_path / "A0" / "checkpoint.pt")[1].prompt_style == "class_names"
    written = (tmp_path / "D0" / RESULT_FILE).stat().st_mtime_ns
    assert run_ablation(CONFIG, splits, tmp_path, seeds=1) == results
    assert (tmp_path / "D0" / RESULT_FILE).stat().st_mtime_ns == written
    table = render_table(results)
    assert table.count("\n") == 6
    assert f"{results[3]['accuracy_strict'] * 100:.1f}" in table.splitlines()[-1]
    assert results[2]["discriminator_accuracy"] is None
    assert 0 <= results[3]["discriminator_accuracy"] <= 1
    heights = []
    for chosen in (SHARES[:4], SHARES[:5]):  # four panels fill a row
        draw_ablation(results, chosen, [], tmp_path / "figure.png")
        with Image.open(tmp_path / "figure.png") as figure:
            heights.append(figure.size[1])
    assert heights[1] == 2 * heights[0]


def test_the_summary_is_the_mean_and_the_sample_deviation() -> None:
    runs = [{"arm": "A", "seed": seed, "accuracy_strict": value} for seed, value in enumerate((0.8, 0.9))]
    assert summarise(runs)["A"]["accuracy_strict"] == (pytest.approx(0.85), pytest.approx(0.0707, abs=1e-4))
    assert summarise(runs[:1])["A"]["accuracy_strict"] == (0.8, None)


def test_the_text_only_control_sees_no_face(faces: Faces) -> None:
    model = build_model(CONFIG)
    normalisation = Normalisation((0.5,), (0.25,))
    other = Faces(255 - faces.images, faces.votes, faces.subsets)
    shown = np.random.default_rng(1).uniform(0, 0.5, (32, AU_COUNT)).astype(np.float32)
    prompts = masked_prompts(shown)
    blind = [masked_phrase_accuracy(model, each, prompts, normalisation, see_faces=False) for each in (faces, other)]
    assert blind[0] == blind[1]


def test_an_answer_is_right_if_it_names_any_phrase_that_was_dropped(faces: Faces) -> None:
    model = build_model(CONFIG)
    everything = Prompt(tuple(range(len(PHRASES))), tuple(p.wordings[0] for p in PHRASES), (True,) * len(PHRASES))
    normalisation = Normalisation((0.5,), (0.25,))
    assert masked_phrase_accuracy(model, faces, [everything] * len(faces), normalisation) == 1


def test_with_known_targets_only_certain_phrases_can_all_be_named(faces: Faces) -> None:
    certain = np.zeros((200, AU_COUNT), dtype=np.float32)
    certain[:, :3] = 1
    assert masked_phrase_ceiling(certain, masked_prompts(certain)) == 1
    even = np.full((200, AU_COUNT), 0.5, dtype=np.float32)
    assert masked_phrase_ceiling(even, masked_prompts(even)) < 0.3


def test_the_probe_tells_modalities_that_lie_apart(faces: Faces) -> None:
    state = modality_state(build_model(CONFIG), faces, Normalisation((0.5,), (0.25,)))
    assert 0 < state.gap <= 2
    assert state.probe_accuracy > 0.9  # nothing was trained to hide it
