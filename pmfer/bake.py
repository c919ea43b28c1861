"""A trained model for inference: precompute its text embeddings ("bake"), score faces, and export it as ONNX."""

import logging
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pmfer.augment import Normalisation, normalise, plain
from pmfer.datasets import Faces
from pmfer.decision import Decision, undecided
from pmfer.expressions import EXPRESSIONS
from pmfer.model import Pmfer
from pmfer.onnx_graph import remove_source_locations, store_in_half_precision
from pmfer.prompts import AU_COUNT, PHRASES, class_prompt, collate, phrase_prompt

PROMPTS_PER_CLASS = 64  # sampled prompts averaged into one class embedding
BAKE_SEED = 20240919
PIXELS_AT_ONCE = 512 * 48 * 48  # pixels of all faces in one batch
OPSET = 18
STANDARD_WORDINGS = tuple(phrase.wordings for phrase in PHRASES[:AU_COUNT])


@dataclass(frozen=True)
class BakedText:
    """classes: [E, D] in the order of EXPRESSIONS. phrases: [A, D] in the order of the wordings. Unit length."""

    classes: Tensor
    phrases: Tensor


@torch.no_grad()
def bake(model: Pmfer, wordings: Sequence[Sequence[str]] = STANDARD_WORDINGS) -> BakedText:
    """Average the embeddings of many prompts per class, and of all wordings per phrase (default: those of facs)."""
    model.eval()
    device, tokenizer = model.log_scale.device, model.tokenizer
    rng = random.Random(BAKE_SEED)
    classes = []
    for expression in EXPRESSIONS:
        prompts = [class_prompt(expression, rng, model.prompt_style) for _ in range(PROMPTS_PER_CLASS)]
        classes.append(model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts.mean(0))
    phrases = []
    for index, phrase_wordings in enumerate(wordings):
        prompts = [phrase_prompt(index, wording) for wording in phrase_wordings]
        phrases.append(model.embed_phrases(collate(prompts, tokenizer).to(device)).mean(0))
    return BakedText(normalize(torch.stack(classes), dim=-1), normalize(torch.stack(phrases), dim=-1))


class InferenceModel(nn.Module):
    """The image encoder and heads with the text embeddings baked in. This is what is exported.

    Args:
        model: trained model.
        text: its baked text embeddings.
        decision: adjustment of the logits; None: none.
    """

    def __init__(self, model: Pmfer, text: BakedText, decision: Decision | None = None) -> None:
        super().__init__()
        self.model = model
        decision = decision or undecided(len(text.classes), len(text.phrases))
        self.temperature = decision.temperature
        self.classes: Tensor
        self.phrases: Tensor
        self.expression_offsets: Tensor
        self.phrase_offsets: Tensor
        device = text.classes.device
        self.register_buffer("expression_offsets", torch.from_numpy(decision.expression_offsets).to(device))
        self.register_buffer("phrase_offsets", torch.tensor(decision.phrase_offsets, device=device))
        self.register_buffer("classes", text.classes)
        self.register_buffer("phrases", text.phrases)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the outputs of the exported graph for normalised faces [N, C, S, S].

        Returns:
            Probabilities [N, E], phrase scores [N, A], attention [N, A, h, w], visible share of each region [N, R].
        """
        features = self.model.encode_images(faces)
        adjusted = self.model.classify(features.globals, self.classes) - self.expression_offsets
        expression = torch.softmax(adjusted / self.temperature, dim=-1)
        logits, attention = self.model.alignment(features.local, self.phrases)
        grid = self.model.image_encoder.grid
        visible = torch.sigmoid(self.model.visibility(features.maps))
        return expression, torch.sigmoid(logits + self.phrase_offsets), attention.unflatten(-1, (grid, grid)), visible


def undecided_model(model: Pmfer) -> InferenceModel:
    """The inference model with the standard phrases and unadjusted logits."""
    return InferenceModel(model, bake(model))


@torch.no_grad()
def predict_scores(
    inference: InferenceModel, images: npt.NDArray[np.uint8], normalisation: Normalisation
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Score faces uint8 [N, H, W].

    Returns:
        Class probabilities float32 [N, E], phrase scores [N, A] and the visible share of each region [N, R].
    """
    device, size_px = inference.model.log_scale.device, inference.model.size_px
    parts = []
    for part in torch.split(torch.from_numpy(images), max(1, PIXELS_AT_ONCE // size_px**2)):
        pictures = normalise(plain(part, size_px), normalisation)
        with half_precision(device):
            scores = inference(pictures.to(device, memory_format=torch.channels_last))
        parts.append([scores[index].float().cpu() for index in (0, 1, 3)])  # all but the attention
    expressions, phrases, visible = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    return expressions, phrases, visible


def predict(model: Pmfer, faces: Faces, normalisation: Normalisation) -> npt.NDArray[np.float32]:
    """Class probabilities float32 [N, E], without mirror averaging."""
    return predict_scores(undecided_model(model), faces.images, normalisation)[0]


def predict_both_ways(model: Pmfer, faces: Faces, normalisation: Normalisation) -> npt.NDArray[np.float32]:
    """Class probabilities float32 [N, E], each face averaged with its mirror image."""
    inference, mirrored = undecided_model(model), np.ascontiguousarray(faces.images[:, :, ::-1])
    views = [predict_scores(inference, images, normalisation)[0] for images in (faces.images, mirrored)]
    return np.asarray(np.mean(views, axis=0), dtype=np.float32)


def half_precision(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 if the device supports it natively; on other CPUs it is emulated and ten times slower."""
    is_native = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=is_native)


def write_onnx(model: InferenceModel, size_px: int, path: Path) -> None:
    """Export a graph `faces` -> `expression`, `au_phrase`, `attention`, `visibility`; weights in half precision."""
    example = torch.zeros(2, model.model.image_encoder.channels, size_px, size_px)
    batch = torch.export.Dim("batch", min=1)
    with _quiet_exporter():
        program = torch.onnx.export(
            model.eval(),
            (example,),
            dynamo=True,
            input_names=["faces"],
            output_names=["expression", "au_phrase", "attention", "visibility"],
            dynamic_shapes={"faces": {0: batch}},
            opset_version=OPSET,
            optimize=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    graph = program.model_proto
    store_in_half_precision(graph)
    remove_source_locations(graph)
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Suppress messages of torch and onnxscript that concern only their developers, such as skipped steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
