"""A prompt describes what its face shows, and reveals nothing about a dropped phrase."""

import random

from pmfer.expressions import EXPRESSIONS
from pmfer.prompts import (
    AU_COUNT,
    PHRASE_INDEX,
    PHRASES,
    collate,
    default_tokenizer,
    face_prompt,
    phrases_of,
)


def test_a_dropped_phrase_leaves_one_mask_and_is_asked_for() -> None:
    tokenizer = default_tokenizer()
    prompt = face_prompt([0.9] * AU_COUNT, random.Random(0), mask_rate=1.0)
    batch = collate([prompt], tokenizer)
    assert int((batch.tokens == tokenizer.mask).sum()) == len(prompt.phrases)
    assert batch.targets[0].tolist() == list(prompt.phrases)
    assert all(wording not in prompt.text for wording in prompt.wordings)


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


def test_core_phrases_are_in_every_prompt_and_optional_ones_in_some() -> None:
    rng = random.Random(0)
    happiness = next(e for e in EXPRESSIONS if e.name == "happiness")
    keys = [{PHRASES[index].key for index in phrases_of(happiness, rng)} for _ in range(200)]
    assert all({"au06", "au12"} <= chosen for chosen in keys)
    share = sum("au25" in chosen for chosen in keys) / len(keys)
    assert 0.75 < share < 0.95  # stated frequency 0.85
