"""Prompts made of action-unit phrases, sampled anew at every training step.

The idea of fine-grained prompts made of action units, and of dropping one of their phrases, is the paper's (Ren et al.,
doi 10.1109/TASE.2024.3464519). Which phrases are used, how they are sampled and how many are dropped is our
interpretation:

- "a face with PHRASE, PHRASE and PHRASE": always the core units of the expression, optional ones with the probability
  of their frequency, in random wording and order. The prompt never contains the name of the expression, which would
  give the dropped phrase away.
- A dropped phrase leaves one mask token, whatever its length, so that its length reveals nothing.
- A prompt that is too long for the text encoder loses whole phrases, never half of one. CLIP takes 77 tokens; the
  longest prompt that our own wordings can make has 66 in its byte pair encoding.
"""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from pmfer.errors import ConfigurationError
from pmfer.expressions import EXPRESSIONS, Expression
from pmfer.facs import ACTION_UNITS, NEUTRAL_PHRASES, Region

PAD, MASK, UNKNOWN = "[pad]", "[mask]", "[unk]"
MAX_TOKENS = 96  # the longest prompt that the phrases can make has 62
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|,")


def words(text: str) -> list[str]:
    """Lower-case words and commas of `text`, in order."""
    return _WORD.findall(text.lower())


class WordTokenizer:
    """Maps words to token numbers; a word that is in no training text becomes `[unk]`. Implements `Tokenizer`.

    Args:
        texts: all texts of the training vocabulary. The numbering depends only on the set of words.
    """

    begin: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    max_tokens = MAX_TOKENS

    def __init__(self, texts: Iterable[str]) -> None:
        vocabulary = sorted({word for text in texts for word in words(text)})
        self._numbers = {word: number for number, word in enumerate([PAD, MASK, UNKNOWN, *vocabulary])}
        self.pad = self._numbers[PAD]
        self.mask = self._numbers[MASK]
        self._encoded: dict[str, list[int]] = {}  # cache: training encodes the same few hundred texts at every step

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, text: str) -> list[int]:
        """Token numbers of the words of `text`."""
        if text not in self._encoded:
            unknown = self._numbers[UNKNOWN]
            self._encoded[text] = [self._numbers.get(word, unknown) for word in words(text)]
        return self._encoded[text]


class Tokenizer(Protocol):
    """Turns text into token numbers."""

    pad: int  # fills a row up to the length of the longest in its batch
    mask: int  # stands for a dropped phrase, whatever its length
    begin: tuple[int, ...]  # before every prompt; belongs to no phrase
    end: tuple[int, ...]  # after every prompt; belongs to no phrase
    max_tokens: int  # longest prompt that the text encoder takes, including begin and end

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text` alone, without begin and end."""
        ...


OPENING = "a face with"
NO_PHRASE = -1
PromptStyle = Literal["action_units", "class_names"]


@dataclass(frozen=True)
class Phrase:
    """One entry of the phrase vocabulary: of an action unit, or of a face at rest."""

    key: str
    wordings: tuple[str, ...]


PHRASES: tuple[Phrase, ...] = (
    *(Phrase(unit.column, unit.phrases) for unit in ACTION_UNITS),
    *(Phrase(neutral.key, neutral.phrases) for neutral in NEUTRAL_PHRASES),
)
PHRASE_INDEX: dict[str, int] = {phrase.key: index for index, phrase in enumerate(PHRASES)}
MOST_PHRASES = 4  # of action units in the prompt of a face; with more, the rest alone would give the dropped one away
# The regions that must not move for a neutral phrase about a region to be true.
_NEIGHBOURS: dict[Region, frozenset[Region]] = {
    Region.BROW: frozenset({Region.BROW}),
    Region.MOUTH: frozenset({Region.MOUTH, Region.JAW}),
}
AU_COUNT = len(ACTION_UNITS)  # the first AU_COUNT phrases are those of the action units, in their order


@dataclass(frozen=True)
class Prompt:
    """The phrases of one prompt, in order. `masked[i]` says whether phrase i is dropped."""

    phrases: tuple[int, ...]
    wordings: tuple[str, ...]
    masked: tuple[bool, ...]

    @property
    def text(self) -> str:
        """The prompt as a person would write it, dropped phrases as `[mask]`."""
        shown = ["[mask]" if drop else wording for wording, drop in zip(self.wordings, self.masked, strict=True)]
        listed = " and ".join(shown) if len(shown) < 3 else ", ".join(shown[:-1]) + " and " + shown[-1]
        return f"{OPENING} {listed}"


@dataclass(frozen=True)
class PromptBatch:
    """Prompts as tensors.

    tokens: int64 [P, L], padded.
    slots: int64 [P, L], number of the phrase slot that a token belongs to, NO_PHRASE for the words around phrases.
    targets: int64 [P, S], phrase number of each *masked* slot, NO_PHRASE elsewhere.
    """

    tokens: Tensor
    slots: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> "PromptBatch":
        """The same batch on `device`."""
        return PromptBatch(self.tokens.to(device), self.slots.to(device), self.targets.to(device))


def phrases_of(expression: Expression, rng: random.Random) -> list[int]:
    """Sample phrase numbers for one prompt: all core units, optional ones by their frequency, in random order."""
    if not expression.core:
        chosen = [PHRASE_INDEX[neutral.key] for neutral in NEUTRAL_PHRASES]
    else:
        units = [*expression.core, *(number for number, p in expression.optional.items() if rng.random() < p)]
        chosen = [PHRASE_INDEX[f"au{number:02d}"] for number in units]
    rng.shuffle(chosen)
    return chosen


def sample_prompt(expression: Expression, rng: random.Random) -> Prompt:
    """Sample one prompt of `expression`, without dropped phrases."""
    return _worded(phrases_of(expression, rng), rng, 0.0)


def face_prompt(shown: Sequence[float], rng: random.Random, mask_rate: float = 0.0) -> Prompt:
    """Sample one prompt that describes a face: units with their probability, and regions at rest where nothing moves.

    Args:
        shown: q(AU) of one face, [A] in 0..1 (losses.phrase_targets).
        rng: random generator.
        mask_rate: probability that a phrase is dropped; if above 0, at least one phrase is dropped.
    """
    units = [index for index, probability in enumerate(shown) if rng.random() < probability]
    rng.shuffle(units)
    chosen = units[:MOST_PHRASES]
    moving = {ACTION_UNITS[index].region for index in units}
    chosen += [PHRASE_INDEX[rest.key] for rest in NEUTRAL_PHRASES if not moving & _NEIGHBOURS[rest.region]]
    rng.shuffle(chosen)
    return _worded(chosen, rng, mask_rate)


def phrase_probabilities(shown: Sequence[float]) -> list[float]:
    """How likely each phrase is to be drawn for the prompt of a face, [V] in 0..1, before the limit of MOST_PHRASES.

    Args:
        shown: as in `face_prompt`.
    """
    at_rest = [
        math.prod(
            1 - shown[index] for index, unit in enumerate(ACTION_UNITS) if unit.region in _NEIGHBOURS[rest.region]
        )
        for rest in NEUTRAL_PHRASES
    ]
    return [*shown, *at_rest]


def _worded(chosen: Sequence[int], rng: random.Random, mask_rate: float) -> Prompt:
    """A prompt of the chosen phrases, each in a random wording, with some of them dropped."""
    wordings = tuple(rng.choice(PHRASES[index].wordings) for index in chosen)
    masked = [rng.random() < mask_rate for _ in chosen]
    if mask_rate > 0 and not any(masked):
        masked[rng.randrange(len(masked))] = True
    return Prompt(tuple(chosen), wordings, tuple(masked))


def class_prompt(expression: Expression, rng: random.Random, style: PromptStyle) -> Prompt:
    """One prompt for `expression`: made of action units or, for the first arm of the ablation, just its name."""
    if style == "class_names":
        return Prompt((NO_PHRASE,), (expression.name,), (False,))
    return sample_prompt(expression, rng)


def phrase_prompt(index: int, wording: str) -> Prompt:
    """A prompt of a single phrase, from which the phrase's embedding is computed."""
    return Prompt((index,), (wording,), (False,))


def default_tokenizer() -> WordTokenizer:
    """The tokenizer for all wordings, the words between them, and the class names of the ablation's first arm."""
    wordings = [wording for phrase in PHRASES for wording in phrase.wordings]
    return WordTokenizer([OPENING, "and ,", *wordings, *(expression.name for expression in EXPRESSIONS)])


def collate(prompts: Sequence[Prompt], tokenizer: Tokenizer) -> PromptBatch:
    """Convert prompts to tensors.

    Raises:
        ConfigurationError: a prompt is too long for the text encoder and cannot be shortened.
    """
    prompts = [shortened(prompt, tokenizer) for prompt in prompts]
    rows = [_tokenize(prompt, tokenizer) for prompt in prompts]
    length = max(len(tokens) for tokens, _ in rows)
    slot_count = max(len(prompt.phrases) for prompt in prompts)
    tokens = torch.full((len(rows), length), tokenizer.pad, dtype=torch.int64)
    slots = torch.full((len(rows), length), NO_PHRASE, dtype=torch.int64)
    targets = torch.full((len(rows), slot_count), NO_PHRASE, dtype=torch.int64)
    for row, (prompt, (token_row, slot_row)) in enumerate(zip(prompts, rows, strict=True)):
        tokens[row, : len(token_row)] = torch.tensor(token_row)
        slots[row, : len(slot_row)] = torch.tensor(slot_row)
        wanted = [index if drop else NO_PHRASE for index, drop in zip(prompt.phrases, prompt.masked, strict=True)]
        targets[row, : len(wanted)] = torch.tensor(wanted)
    return PromptBatch(tokens, slots, targets)


def shortened(prompt: Prompt, tokenizer: Tokenizer) -> Prompt:
    """Remove phrases until the prompt fits into the text encoder, the last unmasked one first.

    Raises:
        ConfigurationError: it is still too long when no phrase can be removed.
    """
    while (length := len(_tokenize(prompt, tokenizer)[0])) > tokenizer.max_tokens:
        unmasked = [slot for slot, drop in enumerate(prompt.masked) if not drop]
        if not unmasked or len(prompt.phrases) == 1:
            raise ConfigurationError(
                f"prompt '{prompt.text}': has {length} tokens, the text encoder takes {tokenizer.max_tokens}; "
                "shorten it"
            )
        kept = [slot for slot in range(len(prompt.phrases)) if slot != unmasked[-1]]
        prompt = Prompt(
            tuple(prompt.phrases[slot] for slot in kept),
            tuple(prompt.wordings[slot] for slot in kept),
            tuple(prompt.masked[slot] for slot in kept),
        )
    return prompt


def prompt_set_sha256() -> str:
    """Identity of the vocabulary: SHA-256 of the template, the phrases and the expression table."""
    table = {e.name: [e.core, sorted(e.frequency.items())] for e in EXPRESSIONS}
    content = json.dumps([OPENING, [[p.key, p.wordings] for p in PHRASES], table], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _tokenize(prompt: Prompt, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Token numbers of the prompt, and the slot that each belongs to."""
    tokens = [*tokenizer.begin, *tokenizer.encode(OPENING)]
    slots = [NO_PHRASE] * len(tokens)
    last = len(prompt.phrases) - 1
    for slot, (wording, drop) in enumerate(zip(prompt.wordings, prompt.masked, strict=True)):
        if slot:
            tokens += tokenizer.encode("and" if slot == last else ",")
            slots.append(NO_PHRASE)
        piece = [tokenizer.mask] if drop else tokenizer.encode(wording)
        tokens += piece
        slots += [slot] * len(piece)
    return [*tokens, *tokenizer.end], [*slots, *(NO_PHRASE for _ in tokenizer.end)]
