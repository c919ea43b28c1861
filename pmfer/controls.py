"""Controls beside the accuracy: is a dropped phrase told from the picture, and how far apart are the modalities?"""

import random
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from pmfer.augment import Normalisation, normalise, plain
from pmfer.datasets import Faces
from pmfer.expressions import EXPRESSIONS
from pmfer.geometry import Floats
from pmfer.model import Pmfer
from pmfer.prompts import NO_PHRASE, PHRASES, class_prompt, collate, face_prompt, phrase_prompt

CONTROL_SEED = 7
PROBED = 512  # embeddings of each modality that the probe is fitted and tested on
FOLDS = 4


@dataclass(frozen=True)
class ModalityState:
    """gap: distance of the centroids of image and prompt embeddings, 0..2. probe_accuracy: of a linear probe, 0..1."""

    gap: float
    probe_accuracy: float


@torch.no_grad()
def masked_phrase_accuracy(
    model: Pmfer,
    faces: Faces,
    shown: Floats,
    normalisation: Normalisation,
    see_faces: bool = True,
    mask_rate: float = 0.4,
    batch: int = 256,
) -> float:
    """Share of dropped phrases told right among the whole vocabulary, in prompts of what each face shows.

    Args:
        model: trained with loss (c).
        faces: to measure on.
        shown: their phrase targets, float32 [N, A] (geometry.PhraseTargets); the same prompts for every model.
        normalisation: of the pictures.
        see_faces: False replaces the local tokens by zeros: what the rest of the text gives away.
        mask_rate: chance of each phrase to be dropped.
        batch: faces at a time.
    """
    model.eval()
    tokenizer, dice, device = model.tokenizer, random.Random(CONTROL_SEED), model.log_scale.device
    canonical = [phrase_prompt(index, phrase.wordings[0]) for index, phrase in enumerate(PHRASES)]
    phrases = model.embed_phrases(collate(canonical, tokenizer).to(device))
    right = total = 0
    for rows in np.array_split(np.arange(len(faces)), max(1, len(faces) // batch)):
        local = model.encode_images(_pictures(faces, rows, normalisation).to(device)).local
        prompts = [face_prompt(row, dice, mask_rate) for row in shown[rows].tolist()]
        texts = collate(prompts, tokenizer).to(device)
        logits = model.masked_phrase(model.encode_prompts(texts).slots, local if see_faces else local * 0, phrases)
        asked = texts.targets != NO_PHRASE
        right += int((logits.argmax(-1) == texts.targets)[asked].sum())
        total += int(asked.sum())
    return right / max(total, 1)


@torch.no_grad()
def modality_state(model: Pmfer, faces: Faces, normalisation: Normalisation) -> ModalityState:
    """How far image and prompt embeddings lie apart, on the first faces and as many sampled prompts."""
    model.eval()
    tokenizer, dice, device = model.tokenizer, random.Random(CONTROL_SEED), model.log_scale.device
    count = min(PROBED, len(faces))
    images = model.encode_images(_pictures(faces, np.arange(count), normalisation).to(device)).globals.cpu().numpy()
    prompts = [class_prompt(EXPRESSIONS[i % len(EXPRESSIONS)], dice, model.prompt_style) for i in range(count)]
    texts = model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts.cpu().numpy()
    both, modality = np.concatenate([images, texts]), np.repeat([1, 0], count)
    probe = LogisticRegression(max_iter=1000)  # type: ignore[no-untyped-call]
    accuracy = cross_val_score(probe, both, modality, cv=FOLDS).mean()
    return ModalityState(float(np.linalg.norm(images.mean(0) - texts.mean(0))), float(accuracy))


def _pictures(faces: Faces, rows: np.ndarray, normalisation: Normalisation) -> torch.Tensor:
    return normalise(plain(torch.from_numpy(faces.images[rows]), faces.images.shape[-1]), normalisation)
