"""The parts of the model do what the method says."""

import random

import torch
from small_model import SMALL

from pmfer.checkpoint import build_model
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.expressions import EXPRESSIONS
from pmfer.losses import adversary_loss
from pmfer.model import reverse_gradient
from pmfer.prompts import (
    AU_COUNT,
    PHRASES,
    collate,
    default_tokenizer,
    phrase_prompt,
    sample_prompt,
)

CONFIG = TrainConfig(model=SMALL, schedule=ScheduleConfig(epochs=2, batch=8, sizes_px=((0.0, 32),)))


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
