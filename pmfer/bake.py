"""The text side computed once: class and phrase embeddings that inference needs, and nothing else of the text."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pmfer.decision import Decision, undecided
from pmfer.expressions import EXPRESSIONS
from pmfer.model import Pmfer
from pmfer.prompts import AU_COUNT, PHRASES, Tokenizer, class_prompt, collate, phrase_prompt

PROMPTS_PER_CLASS = 64  # sampled prompts averaged into one class embedding
BAKE_SEED = 20240919
STANDARD_WORDINGS = tuple(phrase.wordings for phrase in PHRASES[:AU_COUNT])


@dataclass(frozen=True)
class BakedText:
    """classes: [E, D], phrases: [A, D], both of unit length, in the order of EXPRESSIONS and of the wordings given."""

    classes: Tensor
    phrases: Tensor


@torch.no_grad()
def bake(model: Pmfer, tokenizer: Tokenizer, wordings: Sequence[Sequence[str]] = STANDARD_WORDINGS) -> BakedText:
    """Average the embeddings of many prompts per class, and of all wordings per phrase (by default those of facs)."""
    model.eval()
    device = model.log_scale.device
    dice = random.Random(BAKE_SEED)
    classes = []
    for expression in EXPRESSIONS:
        prompts = [class_prompt(expression, dice, model.prompt_style) for _ in range(PROMPTS_PER_CLASS)]
        classes.append(model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts.mean(0))
    phrases = []
    for index, alike in enumerate(wordings):
        prompts = [phrase_prompt(index, wording) for wording in alike]
        phrases.append(model.embed_phrases(collate(prompts, tokenizer).to(device)).mean(0))
    return BakedText(normalize(torch.stack(classes), dim=-1), normalize(torch.stack(phrases), dim=-1))


class InferenceModel(nn.Module):
    """The image side with the text baked in: what is exported.

    Args:
        model: trained model.
        text: its baked text side.
        decision: what is done to the logits; None: nothing.
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
        self.register_buffer("expression_offsets", torch.from_numpy(decision.expression_offsets))
        self.register_buffer("phrase_offsets", torch.tensor(decision.phrase_offsets))
        self.register_buffer("classes", text.classes)
        self.register_buffer("phrases", text.phrases)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Normalised faces [N, C, S, S] to what is exported.

        Probabilities [N, E], phrase scores [N, A], attention [N, A, h, w] and the visible share of each region [N, R].
        """
        features = self.model.encode_images(faces)
        found = self.model.classify(features.globals, self.classes) - self.expression_offsets
        expression = torch.softmax(found / self.temperature, dim=-1)
        logits, attention = self.model.alignment(features.local, self.phrases)
        grid = self.model.image_encoder.grid
        visible = torch.sigmoid(self.model.visibility(features.local))
        return expression, torch.sigmoid(logits + self.phrase_offsets), attention.unflatten(-1, (grid, grid)), visible
