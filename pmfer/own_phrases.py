"""A user's own phrases, baked into a bundle at export: another wording for an action unit, or an additional phrase.

A file of phrases is TOML with one table per phrase; see docs/bundle.md:

    [au12]
    phrase = "mouth corners lifted towards the cheeks"

    [jaw_clamped]
    phrase = "lips pressed together and jaw clamped"
    region = "jaw"

A key that is the column of an action unit rewords that unit. Any other key becomes a new score column, after those of
the action units. The classes keep the prompts they were trained with, so expression scores do not change.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pmfer.bundle import AuPhrase
from pmfer.config import read_toml
from pmfer.errors import ConfigurationError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS, AU_COLUMNS, NEUTRAL_PHRASES, Region
from pmfer.frame_row import ROW_NAMES
from pmfer.prompts import OPENING, PHRASES, prompt_set_sha256, words

MAX_WORDS = 24  # in one phrase; the longest phrase of training has nine
# Other columns of a score batch or of the warehouse's views, whose names no phrase may take.
RESERVED_COLUMNS = frozenset(ROW_NAMES) | {
    "scoring_id",
    "patient_id",
    "session_date",
    "started_at",
    "bundle_id",
    "options_sha256",
    "leading_expression",
    "expressivity",
    "pain_activity",
}
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_AU_KEY = re.compile(r"au(\d{1,2})")


@dataclass(frozen=True)
class BakedPhrase:
    """One `au_phrase` output: its entry on the card, and the wordings whose embeddings are averaged for it."""

    card: AuPhrase
    wordings: tuple[str, ...]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    phrase: str = Field(min_length=1)
    region: Region | None = None
    au: int | None = Field(None, gt=0, lt=100)


STANDARD_PHRASES: tuple[BakedPhrase, ...] = tuple(
    BakedPhrase(AuPhrase(unit.number, unit.column, unit.region.value, unit.phrase, True), unit.phrases)
    for unit in ACTION_UNITS
)


def read_phrases(path: Path) -> tuple[BakedPhrase, ...]:
    """Read the phrases of a file, in its order.

    Raises:
        ConfigurationError: the file is missing or not TOML, a key is not a valid column name or already taken, or a
            value is wrong.
    """
    tables = read_toml(path)
    if not tables:
        raise ConfigurationError(f"{path}: contains no phrases; see docs/bundle.md")
    return tuple(_parse(path, key, table) for key, table in tables.items())


def read_trained_phrases(path: Path) -> tuple[BakedPhrase, ...]:
    """Read the phrases of a file for the compact back-end, whose text encoder only knows the words of its training.

    Raises:
        ConfigurationError: as in read_phrases; or a word was not in training, so that it has no meaning to the model.
    """
    own, known = read_phrases(path), trained_words()
    for phrase in own:
        missing = [w for text in phrase.wordings for w in re.split(r"[\s,-]+", text.lower()) if w and w not in known]
        if missing:
            named = ", ".join(f"'{word}'{_suggestions(word, known)}" for word in missing)
            raise ConfigurationError(
                f"{path}: {phrase.card.column}: words the model never learnt: {named}.{_words_of(phrase.card.region)} "
                "Use words of the phrases on its card, or export from a checkpoint of the clip back-end"
            )
    return own


def phrase_set(own: Sequence[BakedPhrase]) -> tuple[BakedPhrase, ...]:
    """All phrases of a bundle in output order: every action unit, reworded or not, then the additional phrases."""
    by_column = {phrase.card.column: phrase for phrase in own}
    units = [by_column.pop(standard.card.column, standard) for standard in STANDARD_PHRASES]
    return (*units, *by_column.values())


def phrase_set_sha256(own: Sequence[BakedPhrase]) -> str:
    """Identity of the prompts baked into a bundle: a hash of the training vocabulary and the user's own phrases."""
    if not own:
        return prompt_set_sha256()
    phrases = [[phrase.card.column, *phrase.wordings] for phrase in own]
    content = json.dumps([prompt_set_sha256(), phrases], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def trained_words() -> frozenset[str]:
    """Words that the compact text encoder has learnt: those of the phrases and of the words around them."""
    texts = [OPENING, "and", *(wording for phrase in PHRASES for wording in phrase.wordings)]
    return frozenset(word for text in texts for word in words(text)) - {","}


def _suggestions(word: str, known: Collection[str]) -> str:
    """Known words with a similar spelling, in brackets."""
    similar = difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.65)
    return f" (near: {', '.join(similar)})" if similar else ""


def _words_of(region: str | None) -> str:
    """A sentence that lists the words of all phrases about a region; empty for a phrase without a region."""
    regions = [*((u.region, u.phrases) for u in ACTION_UNITS), *((n.region, n.phrases) for n in NEUTRAL_PHRASES)]
    texts = [text for other, phrases in regions if other == region for text in phrases]
    listed = sorted({word for text in texts for word in words(text) if len(word) > 3})
    return f" Of the {region} it knows: {', '.join(listed)}." if listed else ""


def _parse(path: Path, key: str, table: object) -> BakedPhrase:
    try:
        return _baked(key, table)
    except ValidationError as error:
        first = error.errors()[0]
        what = ": ".join([*(str(part) for part in first["loc"]), first["msg"]])
        raise ConfigurationError(f"{path}: {key}: {what}; see docs/bundle.md") from None
    except _EntryError as error:
        raise ConfigurationError(f"{path}: {key}: {error}; see docs/bundle.md") from None


class _EntryError(Exception):
    """One table of the file is wrong; the message says why."""


def _baked(key: str, table: object) -> BakedPhrase:
    if not _KEY.fullmatch(key):
        raise _EntryError("not a column name; use lower-case letters, digits and underscores, a letter first")
    if key in EXPRESSION_NAMES or key in RESERVED_COLUMNS:
        raise _EntryError("the name of another column; choose another key")
    entry = _Entry.model_validate(table)
    count = len(entry.phrase.split())
    if not any(character.isalpha() for character in entry.phrase) or count > MAX_WORDS:
        raise _EntryError(f"the phrase has {count} words; write 1 to {MAX_WORDS} words")
    seen = any(entry.phrase.lower() in phrase.wordings for phrase in PHRASES)
    if key in AU_COLUMNS:
        if entry.region is not None or entry.au is not None:
            raise _EntryError("an action unit has its number and region already; give the phrase only")
        unit = ACTION_UNITS[AU_COLUMNS.index(key)]
        return BakedPhrase(AuPhrase(unit.number, key, unit.region.value, entry.phrase, seen), (entry.phrase,))
    named = _AU_KEY.fullmatch(key)
    if named and entry.au not in (None, int(named[1])):
        raise _EntryError(f"au = {entry.au} contradicts the key")
    number = int(named[1]) if named else entry.au
    region = entry.region.value if entry.region else None
    return BakedPhrase(AuPhrase(number, key, region, entry.phrase, seen), (entry.phrase,))
