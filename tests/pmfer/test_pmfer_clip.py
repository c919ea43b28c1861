"""The CLIP back-end with a tiny random CLIP: training, resuming, exporting, and errors if it is missing."""

import ast
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from pmfer.augment import normalise, plain
from pmfer.bake import InferenceModel, bake, predict
from pmfer.bundle import Bundle, CropGeometry
from pmfer.checkpoint import CHECKPOINT_FILE, build_model, load_checkpoint
from pmfer.config import ClipConfig, LossConfig, ScheduleConfig, TrainConfig, read_config
from pmfer.covers import REGIONS
from pmfer.datasets import Faces
from pmfer.decision import Decision
from pmfer.errors import ConfigurationError
from pmfer.evaluate import run_graph
from pmfer.export import export_bundle
from pmfer.expressions import EXPRESSIONS
from pmfer.losses import Batch, adversary_loss, compute_losses
from pmfer.model import Pmfer
from pmfer.prompts import (
    AU_COUNT,
    NO_PHRASE,
    PHRASES,
    Prompt,
    collate,
    face_prompt,
    phrase_prompt,
    sample_prompt,
    shortened,
)
from pmfer.train import train

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported, which happens when a CLIP is built
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")  # in torch.onnx.export
CPU = torch.device("cpu")
CROP = {"centerface": CropGeometry(1.1, 0.0, 0.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from clip_folder import write_clip

    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Eight classes that differ in brightness and gradient, 32 faces of 48 px."""
    rng = np.random.default_rng(0)
    label = np.arange(32) % 8
    votes = np.zeros((32, 10), dtype=np.uint8)
    votes[np.arange(32), label] = 10
    slope = np.linspace(-1, 1, 48)[None, :, None] * (label[:, None, None] % 4 - 1.5) * 40
    pictures = 60 + 16 * label[:, None, None] + slope + rng.normal(0, 4, (32, 48, 48))
    return Faces(pictures.clip(0, 255).astype(np.uint8), votes, {})


def config_of(folder: Path, size_px: int = 32, epochs: int = 1, **clip: Any) -> TrainConfig:
    return TrainConfig(
        name="tiny-clip",
        backend="clip",
        size_px=size_px,
        clip=ClipConfig(checkpoint=str(folder), **clip),
        schedule=ScheduleConfig(epochs=epochs, batch=8, sizes_px=((0.0, size_px),)),
    )


@pytest.fixture(scope="module")
def run_folder(folder: Path, faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on faces larger than those of the checkpoint, with all losses switched on."""
    out = tmp_path_factory.mktemp("run")
    train(config_of(folder, size_px=48), faces, faces, out, device=CPU)
    return out


@pytest.fixture(scope="module")
def bundle(run_folder: Path, faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_bundle(run_folder / CHECKPOINT_FILE, tmp_path_factory.mktemp("bundles") / "tiny", CROP, faces)


def prompts_of_all(rng: random.Random) -> list[Prompt]:
    return [face_prompt([0.3] * AU_COUNT, rng, 0.4) for _ in EXPRESSIONS]


def test_training_starts_where_clip_is(folder: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    model = build_model(config_of(folder)).eval()
    clip = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    pictures = torch.rand(2, 1, 32, 32).expand(-1, 3, -1, -1)
    faces = (pictures - model.image_encoder.mean) / model.image_encoder.std
    text = "a face with cheeks raised"
    numbers = CLIPTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    with torch.no_grad():
        seen = clip.get_image_features(pixel_values=faces).pooler_output
        read = clip.get_text_features(input_ids=numbers).pooler_output
        ours = model.encode_prompts(collate([phrase_prompt(0, "cheeks raised")], model.tokenizer)).prompts
        torch.testing.assert_close(model.encode_images(faces).globals, torch.nn.functional.normalize(seen, dim=-1))
        torch.testing.assert_close(ours, torch.nn.functional.normalize(read, dim=-1))


def test_begin_and_end_belong_to_no_phrase(folder: Path) -> None:
    model = build_model(config_of(folder))
    prompt = Prompt((4, 7), ("cheeks raised", "crow's feet"), (False, True))
    batch = collate([prompt, phrase_prompt(4, "cheeks raised")], model.tokenizer)
    tokens, slots = batch.tokens[0].tolist(), batch.slots[0].tolist()
    assert (tokens[0], tokens[-1]) == (*model.tokenizer.begin, *model.tokenizer.end)
    assert (slots[0], slots[-1]) == (NO_PHRASE, NO_PHRASE)
    assert [token for token, slot in zip(tokens, slots, strict=True) if slot == 1] == [model.tokenizer.mask]
    assert batch.targets.tolist() == [[NO_PHRASE, 7], [NO_PHRASE, NO_PHRASE]]


def test_padding_changes_nothing(folder: Path) -> None:
    model = build_model(config_of(folder)).eval()
    short, long = phrase_prompt(0, "cheeks raised"), sample_prompt(EXPRESSIONS[6], random.Random(0))
    alone = model.encode_prompts(collate([short], model.tokenizer))
    beside = model.encode_prompts(collate([short, long], model.tokenizer))
    torch.testing.assert_close(alone.prompts[0], beside.prompts[0])
    torch.testing.assert_close(alone.slots[0, 0], beside.slots[0, 0])


def test_colour_is_turned_into_luma(folder: Path) -> None:
    model = build_model(config_of(folder)).eval()
    mean, std = model.image_encoder.mean, model.image_encoder.std
    colour = torch.rand(2, 3, 32, 32)
    grey = (colour * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    with torch.no_grad():
        seen = model.encode_images((colour - mean) / std).globals
        expected = model.encode_images((grey - mean) / std).globals
    torch.testing.assert_close(seen, expected)


@pytest.mark.parametrize("text", ["frozen", "tuned"])
def test_the_loss_falls_and_only_what_is_trained_moves(folder: Path, faces: Faces, text: str) -> None:
    torch.manual_seed(0)
    model = build_model(config_of(folder, text=text, vision_layers=1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert model.normalisation is not None
    pictures = normalise(plain(torch.from_numpy(faces.images), 32), model.normalisation)
    targets = torch.rand(32, len(EXPRESSIONS)) @ torch.rand(len(EXPRESSIONS), 20) / 8
    shape, visible = torch.randn(32, AU_COUNT), torch.ones(32, len(REGIONS))
    batch = Batch(pictures, torch.eye(8).repeat(4, 1), targets, shape, visible)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3, weight_decay=0.0)
    totals = []
    for _ in range(25):
        losses = compute_losses(model, batch, LossConfig(), 0.5, random.Random(0))
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        totals.append(losses.total.item())
    assert {"classification", "alignment", "region", "masked_phrase", "adversary"} <= set(losses.parts)
    assert totals[-1] < 0.8 * totals[0]
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    layers = {name.split("layers.")[1][0] for name in moved if name.startswith("image_encoder.vision.encoder")}
    assert layers == {"2"}  # the last of three
    assert not any(name.startswith("image_encoder.vision.embeddings") for name in moved)
    assert {"image_global.weight", "image_local.weight", "text_global.weight"} <= moved
    encoder = {name for name in before if name.startswith("text_encoder.")}
    assert moved & encoder == (encoder if text == "tuned" else set())


def test_parts_from_the_checkpoint_learn_at_their_own_rate(folder: Path, faces: Faces) -> None:
    import pmfer.train as module

    config = config_of(folder, text="tuned", learning_rate_factor=0.2)
    run = module._Run(config, faces, None, CPU)
    rates = {id(p): group["lr"] for group in run.optimiser.param_groups for p in group["params"]}
    new, pretrained = config.schedule.learning_rate, 0.2 * config.schedule.learning_rate
    named = dict(run.model.named_parameters())
    assert rates[id(named["image_local.weight"])] == new
    assert rates[id(named["adversary.layers.0.bias"])] == new
    for name in ("image_global.weight", "text_encoder.text.embeddings.token_embedding.weight", "log_scale"):
        assert rates[id(named[name])] == pytest.approx(pretrained)
    assert len(rates) == len(named)


def test_the_reversed_gradient_reaches_both_encoders_when_the_text_is_tuned(folder: Path) -> None:
    torch.manual_seed(0)
    model = build_model(config_of(folder, text="tuned")).eval()
    prompts = collate(prompts_of_all(random.Random(0)), model.tokenizer)
    watched = {
        "image": model.image_encoder.vision.embeddings.patch_embedding.weight,
        "text": model.text_encoder.text.embeddings.token_embedding.weight,
    }

    def gradients(strength: float) -> dict[str, torch.Tensor]:
        model.zero_grad()
        images = model.encode_images(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))).globals
        adversary_loss(*model.adversary(images, model.encode_prompts(prompts).prompts, strength)).backward()
        return {name: weight.grad.clone() for name, weight in watched.items()}

    towards, against = gradients(-1.0), gradients(1.0)
    for name in watched:
        assert towards[name].abs().max() > 0
        torch.testing.assert_close(against[name], -towards[name])
    assert against["text"][model.tokenizer.mask].abs().max() > 0  # the mask token is learnt


@pytest.mark.slow  # `make test` resumes a run of the compact network, in test_pmfer_train.py
def test_a_run_is_taken_up_again(folder: Path, faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pmfer.train as module

    config = config_of(folder, epochs=2)
    whole = train(config, faces, faces, tmp_path / "whole", device=CPU)
    original, calls = module._Run.epoch, []

    def once(self: module._Run, epoch: int, advance: Any) -> dict[str, float]:
        if calls:
            raise InterruptedError
        calls.append(epoch)
        return original(self, epoch, advance)

    with monkeypatch.context() as patch:
        patch.setattr(module._Run, "epoch", once)
        with pytest.raises(InterruptedError):
            train(config, faces, faces, tmp_path / "parts", device=CPU)
    resumed = train(config, faces, faces, tmp_path / "parts", device=CPU)
    first, second = (load_checkpoint(path)[1].state_dict() for path in (whole, resumed))
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], msg=name)


def test_the_exported_graph_answers_as_torch_does(run_folder: Path, bundle: Bundle, faces: Faces) -> None:
    _, model, normalisation, epochs = load_checkpoint(run_folder / CHECKPOINT_FILE)
    spec = bundle.card.input
    assert epochs == 1
    assert (spec.size_px, spec.channels, len(spec.mean), len(spec.std)) == (48, 3, 3, 3)
    decision = Decision(**bundle.card.calibration)
    inference = InferenceModel(model, bake(model), decision).eval()
    pictures = normalise(plain(torch.from_numpy(faces.images[:5]), 48), normalisation)
    with torch.no_grad():
        expected = [output.numpy() for output in inference(pictures)]
    session = onnxruntime.InferenceSession(str(bundle.weights), providers=["CPUExecutionProvider"])
    answers = session.run(["expression", "au_phrase", "attention", "visibility"], {"faces": pictures.numpy()})
    assert answers[2].shape == (5, 20, 6, 6)
    for answer, truth in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, truth, atol=2e-3)  # weights are stored in half precision
    np.testing.assert_allclose(run_graph(bundle, faces.images[:5])["expression"], expected[0], atol=2e-3)  # grey crops
    np.testing.assert_allclose(predict(model, faces, normalisation)[:5].sum(1), 1, atol=1e-2)


def test_the_card_names_the_checkpoint(bundle: Bundle, folder: Path) -> None:
    text = (bundle.path / "MODEL_CARD.md").read_text()
    assert f"started from `{folder}`" in text
    assert "a face crop in colour" in text


@pytest.mark.slow  # `make test` covers the compact network, in test_pmfer_own_phrases.py
def test_own_phrases_may_use_words_that_training_never_had(run_folder: Path, faces: Faces, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[grimace]\nphrase = "a painful grimace"\n')
    made = export_bundle(run_folder / CHECKPOINT_FILE, tmp_path / "bundle", CROP, faces, phrases=own)
    assert made.card.au_phrases[-1].column == "grimace"
    assert not made.card.au_phrases[-1].seen_in_training


def test_export_names_a_checkpoint_that_was_moved(run_folder: Path, faces: Faces, tmp_path: Path) -> None:
    """A checkpoint that was moved is no longer where the run looks for it."""
    content = torch.load(run_folder / CHECKPOINT_FILE, weights_only=True)
    content["config"]["clip"]["checkpoint"] = str(tmp_path / "clip")
    torch.save(content, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(ConfigurationError, match=r"clip'.*hf download .*--local-dir") as caught:
        export_bundle(tmp_path / CHECKPOINT_FILE, tmp_path / "bundle", CROP, faces)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("checkpoint", ["openai/clip-vit-base-patch16", "no/such/folder"])
def test_a_missing_checkpoint_says_what_to_fetch(checkpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="hf download openai/clip-vit-base-patch16 --local-dir") as caught:
        build_model(config_of(Path(checkpoint)))
    assert checkpoint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [None, b"nothing"])
def test_a_damaged_checkpoint_is_refused(folder: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "clip"))
    (broken / name).unlink()
    if content:
        (broken / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match="no usable CLIP there"):
        build_model(config_of(broken))


def test_a_checkpoint_without_all_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(folder, tmp_path / "clip"))
    weights = load_file(broken / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigurationError, match=r"1 weights are missing.*visual_projection"):
        build_model(config_of(broken))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_px": 36}, "36 px are not a multiple"),
        ({"vision_layers": 4}, "vision_layers = 4: the checkpoint has only 3"),
    ],
)
def test_a_configuration_that_does_not_fit_the_checkpoint_is_named(
    folder: Path, change: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_model(config_of(folder, **change))


def test_a_prompt_that_is_too_long_loses_whole_phrases(tmp_path: Path) -> None:
    from clip_folder import write_clip

    model = build_model(config_of(write_clip(tmp_path, merges=20, max_tokens=77)))  # nearly a token per letter
    fear = replace(sample_prompt(EXPRESSIONS[6], random.Random(0)))
    fear = replace(fear, masked=(True, *fear.masked[1:]))
    short = shortened(fear, model.tokenizer)
    assert 1 < len(short.phrases) < len(fear.phrases)
    assert short.masked[0]  # a masked phrase is kept
    assert short.wordings == fear.wordings[: len(short.wordings)]
    batch = collate([fear], model.tokenizer)
    assert batch.tokens.shape[1] <= 77
    assert batch.targets.shape[1] == len(short.phrases)
    assert batch.slots.max() == len(short.phrases) - 1
    assert model.encode_prompts(batch).prompts.isfinite().all()
    with pytest.raises(ConfigurationError, match="the text encoder takes 77; shorten it"):
        collate([phrase_prompt(0, "lips " * 40)], model.tokenizer)


def test_all_prompts_of_our_own_fit_whole(folder: Path) -> None:
    model, rng = build_model(config_of(folder)), random.Random(0)
    for prompt in (sample_prompt(expression, rng) for expression in EXPRESSIONS for _ in range(50)):
        assert shortened(prompt, model.tokenizer) == prompt


def test_the_shipped_configuration_is_read() -> None:
    config = read_config(Path(__file__).parents[2] / "pmfer" / "configs" / "clip.toml")
    assert config.backend == "clip"
    assert {side for _, side in config.schedule.sizes_px} == {config.size_px}


def test_nothing_but_a_clip_loads_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (Path(__file__).parents[2] / "pmfer").rglob("*.py"):
        at_once = imports_at_once(ast.parse(path.read_text(encoding="utf-8")))
        assert path.name == "clip.py" or not {"transformers", "pmfer.clip"} & at_once, path
    for name in ("transformers", "pmfer.clip"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it is an error
    assert build_model(TrainConfig())
    with pytest.raises(ImportError):
        build_model(TrainConfig(backend="clip"))


def imports_at_once(node: ast.AST) -> set[str]:
    """Modules that a module imports at the top level, not inside a function."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    inside = () if isinstance(node, ast.FunctionDef | ast.Lambda) else ast.iter_child_nodes(node)
    return {name for child in inside for name in imports_at_once(child)}


@pytest.mark.slow  # `make test` checks the imports, above
def test_compact_training_does_without_transformers() -> None:
    code = (
        "import sys, pmfer.train, pmfer.export; from pmfer.config import TrainConfig; "
        "pmfer.train.build_model(TrainConfig()); sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_in_training_keeps_its_frozen_text(folder: Path) -> None:
    model: Pmfer = build_model(config_of(folder, text="frozen")).train()
    batch = collate([phrase_prompt(i, phrase.wordings[0]) for i, phrase in enumerate(PHRASES)], model.tokenizer)
    assert not model.encode_prompts(batch).slots.requires_grad
    assert model.embed_phrases(batch).requires_grad  # through the projection, which is trained
