"""Training on small made faces: the losses do what the paper says, and a run can be taken up again."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from pmfer_faces import SMALL

from pmfer.checkpoint import AVERAGED_FILE, CHECKPOINT_FILE, build_model, load_checkpoint, write_averaged
from pmfer.config import LossConfig, ScheduleConfig, TrainConfig, read_config
from pmfer.covers import REGIONS
from pmfer.datasets import Faces, argmax_label, strict_label, vote_distribution
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.expressions import EXPRESSIONS
from pmfer.landmark_file import FaceShapes
from pmfer.landmarks import POINTS
from pmfer.losses import Batch, adversary_loss, compute_losses, masked_phrase_loss, reversal_strength
from pmfer.model import reverse_gradient
from pmfer.prompts import (
    AU_COUNT,
    NO_PHRASE,
    PHRASE_INDEX,
    PHRASES,
    collate,
    default_tokenizer,
    face_prompt,
    phrase_prompt,
    sample_prompt,
)
from pmfer.train import LOG_FILE, read_log, train

CONFIG = TrainConfig(model=SMALL, schedule=ScheduleConfig(epochs=2, batch=8, sizes_px=((0.0, 32),)))


def made_faces(count: int = 32) -> Faces:
    rng = np.random.default_rng(0)
    votes = np.zeros((count, 10), dtype=np.uint8)
    votes[np.arange(count), np.arange(count) % 8] = 10
    return Faces(rng.integers(0, 255, (count, 48, 48), dtype=np.uint8), votes, {})


def test_labels_follow_the_two_protocols() -> None:
    votes = np.array(
        [
            [6, 3, 1, 0, 0, 0, 0, 0, 0, 0],  # 6 of 9 once the lone vote is gone
            [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # nobody above half
            [2, 0, 0, 0, 0, 0, 0, 0, 8, 0],  # unknown wins
        ],
        dtype=np.uint8,
    )
    assert strict_label(votes).tolist() == [0, -1, -1]
    assert argmax_label(votes).tolist() == [0, 0, -1]
    np.testing.assert_allclose(vote_distribution(votes)[0, :2], [6 / 9, 3 / 9])


def test_the_reversed_gradient_reaches_both_encoders_with_its_sign_turned() -> None:
    torch.manual_seed(0)
    tokenizer = default_tokenizer()
    model = build_model(CONFIG).eval()
    prompts = collate([sample_prompt(e, random.Random(0)) for e in EXPRESSIONS], tokenizer)

    def gradients(strength: float) -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        images = model.encode_images(torch.ones(2, 1, 48, 48)).globals
        texts = model.encode_prompts(prompts).prompts
        adversary_loss(*model.adversary(images, texts, strength)).backward()
        image, text = model.image_global.weight.grad, model.text_encoder.embedding.weight.grad
        assert image is not None
        assert text is not None
        return image.clone(), text.clone()

    towards, against = gradients(-1.0), gradients(1.0)
    for plain, turned in zip(towards, against, strict=True):
        assert plain.abs().max() > 0
        torch.testing.assert_close(turned, -plain)


def test_gradient_reversal_leaves_the_value_alone() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = reverse_gradient(x, 0.5)
    y.sum().backward()
    assert y.tolist() == [1.0, 2.0]
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5, -0.5]


def test_the_reversal_ramps_up_from_nothing() -> None:
    assert reversal_strength(0.0, 0.1) == 0.0
    assert 0.09 < reversal_strength(1.0, 0.1) <= 0.1


def test_a_dropped_phrase_leaves_one_mask_and_is_asked_for() -> None:
    tokenizer = default_tokenizer()
    prompt = face_prompt([0.9] * AU_COUNT, random.Random(0), mask_rate=1.0)
    batch = collate([prompt], tokenizer)
    assert int((batch.tokens == tokenizer.mask).sum()) == len(prompt.phrases)
    assert batch.targets[0].tolist() == list(prompt.phrases)
    assert all(wording not in prompt.text for wording in prompt.wordings)


def test_masked_loss_counts_dropped_phrases_only() -> None:
    logits = torch.zeros(1, 2, 3)
    logits[0, 0, 1] = 100.0
    assert masked_phrase_loss(logits, torch.tensor([[1, NO_PHRASE]])).item() == pytest.approx(0, abs=1e-6)
    assert masked_phrase_loss(logits, torch.tensor([[0, NO_PHRASE]])).item() > 50


def test_phrase_scores_do_not_depend_on_the_other_phrases() -> None:
    torch.manual_seed(0)
    tokenizer = default_tokenizer()
    model = build_model(CONFIG).eval()
    prompts = [phrase_prompt(i, phrase.wordings[0]) for i, phrase in enumerate(PHRASES[:AU_COUNT])]
    phrases = model.embed_phrases(collate(prompts, tokenizer))
    local = model.encode_images(torch.rand(2, 1, 48, 48)).local
    together, attention = model.alignment(local, phrases)
    alone, _ = model.alignment(local, phrases[3:4])
    torch.testing.assert_close(together[:, 3:4], alone)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, AU_COUNT))


def test_a_prompt_names_what_its_face_shows_and_what_is_at_rest() -> None:
    shown = [0.0] * AU_COUNT
    shown[PHRASE_INDEX["au12"]] = 1.0
    prompts = [face_prompt(shown, random.Random(seed)) for seed in range(20)]
    assert {frozenset(prompt.phrases) for prompt in prompts} == {
        frozenset({PHRASE_INDEX["au12"], PHRASE_INDEX["relaxed_brows"]})
    }
    at_rest = face_prompt([0.0] * AU_COUNT, random.Random(0))
    assert set(at_rest.phrases) == {PHRASE_INDEX["relaxed_brows"], PHRASE_INDEX["relaxed_mouth"]}
    assert len({prompt.text for prompt in prompts}) > 10
    often = [face_prompt([0.3] * AU_COUNT, random.Random(seed), mask_rate=0.01) for seed in range(200)]
    assert all(any(prompt.masked) for prompt in often)


@pytest.mark.parametrize("part", ["alignment", "region", "masked_phrase", "adversary", "deviation", "visibility"])
def test_each_loss_can_be_switched_off(part: str) -> None:
    tokenizer = default_tokenizer()
    model = build_model(CONFIG)
    shape, visible = torch.randn(8, AU_COUNT), torch.rand(8, len(REGIONS))
    shape[0], visible[1] = torch.nan, torch.nan
    batch = Batch(torch.rand(8, 1, 32, 32), torch.eye(8), torch.rand(8, AU_COUNT), shape, visible)
    names = {"classification", "alignment", "region", "masked_phrase", "adversary", "deviation", "visibility"}
    config = LossConfig.model_validate({part: 0.0})
    losses = compute_losses(model, tokenizer, batch, config, 0.5, random.Random(0))
    off = {part, "region", "deviation"} if part == "alignment" else {part}  # both are losses on what alignment finds
    assert torch.isfinite(losses.total)
    assert names & set(losses.parts) == names - off


def test_a_run_that_was_stopped_ends_like_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = made_faces()
    whole = train(CONFIG, faces, faces, tmp_path / "whole", device=torch.device("cpu"))

    class StoppedError(Exception):
        pass

    import pmfer.train as module

    parts = tmp_path / "parts"
    original = module._Run.epoch
    calls = []

    def one_epoch(self: module._Run, epoch: int, advance: object) -> dict[str, float]:
        if calls:
            raise StoppedError
        calls.append(epoch)
        return original(self, epoch, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(module._Run, "epoch", one_epoch)
    with pytest.raises(StoppedError):
        train(CONFIG, faces, faces, parts, device=torch.device("cpu"))
    monkeypatch.undo()
    resumed = train(CONFIG, faces, faces, parts, device=torch.device("cpu"))
    _, first, _, epochs = load_checkpoint(whole)
    _, second, _, _ = load_checkpoint(resumed)
    assert epochs == 2
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(tensor, second.state_dict()[name], msg=name)


def test_a_run_with_shapes_covers_its_faces_and_learns_from_both(tmp_path: Path) -> None:
    faces, rng = made_faces(), np.random.default_rng(0)
    seen = rng.normal(0, 1, (32, AU_COUNT)).astype(np.float32)
    seen[::4] = np.nan
    placed = rng.uniform(0.2, 0.8, (32, POINTS, 2)).astype(np.float32)
    shapes = FaceShapes(seen, placed, np.full(32, 10, np.float32), np.arange(32) % 4 > 0)
    together = CONFIG.model_copy(update={"schedule": ScheduleConfig(epochs=2, batch=32, sizes_px=((0.0, 32),))})
    train(together, faces, faces, tmp_path, shapes, device=torch.device("cpu"))
    for row in read_log(tmp_path / LOG_FILE):
        assert 0 < (row["deviation"] or 0) < 2
        assert 0 < (row["visibility"] or 0) < 5


def test_a_run_can_start_from_the_weights_of_another(tmp_path: Path) -> None:
    faces = made_faces()
    first = train(CONFIG, faces, faces, tmp_path / "first", device=torch.device("cpu"))
    still = ScheduleConfig(epochs=1, batch=8, sizes_px=((0.0, 32),), learning_rate=1e-12, seed=7)
    tuned = CONFIG.model_copy(update={"start": str(first), "schedule": still})
    brighter = Faces(faces.images // 2 + 128, faces.votes, {})
    second = train(tuned, brighter, brighter, tmp_path / "second", device=torch.device("cpu"))
    _, before, normalisation, _ = load_checkpoint(first)
    _, after, kept, epochs = load_checkpoint(second)
    assert (kept, epochs) == (normalisation, 1)
    for name, parameter in before.named_parameters():
        torch.testing.assert_close(dict(after.named_parameters())[name], parameter)
    _, light, _, done = load_checkpoint(tmp_path / "first" / AVERAGED_FILE)
    assert done == 2
    for name, parameter in before.named_parameters():
        torch.testing.assert_close(dict(light.named_parameters())[name], parameter, atol=1e-3, rtol=1e-3)


def test_a_run_does_not_go_on_from_averaged_weights_alone(checkpoint: Path, tmp_path: Path) -> None:
    write_averaged(checkpoint, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="averaged weights alone"):
        train(load_checkpoint(checkpoint)[0], made_faces(), made_faces(), tmp_path, device=torch.device("cpu"))


def test_a_run_cannot_start_from_another_kind_of_model(checkpoint: Path, tmp_path: Path) -> None:
    wide = CONFIG.model_copy(update={"start": str(checkpoint), "model": SMALL.model_copy(update={"latent": 32})})
    with pytest.raises(TrainingError, match="trained with another model"):
        train(wide, made_faces(), made_faces(), tmp_path, device=torch.device("cpu"))


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    faces = made_faces(8)
    other = CONFIG.model_copy(update={"schedule": ScheduleConfig(epochs=1, batch=8, sizes_px=((0.0, 32),))})
    train(other, faces, faces, tmp_path, device=torch.device("cpu"))
    with pytest.raises(TrainingError, match="another configuration"):
        train(CONFIG, faces, faces, tmp_path, device=torch.device("cpu"))


def test_a_checkpoint_of_another_form_of_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    del content["averaged"]["log_scale"]
    torch.save(content, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="made by another release"):
        load_checkpoint(tmp_path / CHECKPOINT_FILE)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(tmp_path / CHECKPOINT_FILE)


@pytest.mark.parametrize("text", ["epochs = 3", "[schedule]\nepochs = 0", "[loss]\nadversary = 0.5", "not toml ="])
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"c\.toml"):
        read_config(tmp_path / "c.toml")
