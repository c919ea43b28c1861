"""A word tokenizer over the phrases' own vocabulary: small, closed, and the same on every machine."""

import re
from collections.abc import Iterable

PAD, MASK, UNKNOWN = "[pad]", "[mask]", "[unk]"
MAX_TOKENS = 96  # the longest prompt of all phrases has 66
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|,")


def words(text: str) -> list[str]:
    """Lower-case words and commas of `text`, in order."""
    return _WORD.findall(text.lower())


class WordTokenizer:
    """Maps words to token numbers; a word that no training text had becomes `[unk]`. See backend.Tokenizer.

    Args:
        texts: every text of the training vocabulary. The numbering depends on the set of words alone.
    """

    begin: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    max_tokens = MAX_TOKENS

    def __init__(self, texts: Iterable[str]) -> None:
        vocabulary = sorted({word for text in texts for word in words(text)})
        self._numbers = {word: number for number, word in enumerate([PAD, MASK, UNKNOWN, *vocabulary])}
        self.pad = self._numbers[PAD]
        self.mask = self._numbers[MASK]

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, text: str) -> list[int]:
        """Token numbers of the words of `text`."""
        unknown = self._numbers[UNKNOWN]
        return [self._numbers.get(word, unknown) for word in words(text)]
