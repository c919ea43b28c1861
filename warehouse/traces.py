"""Finds a patient's identifier in text and in bytes, but not as a part of another patient's."""

import os
import re
from collections.abc import Iterable
from functools import cached_property

_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
_SURE_LENGTH = 6  # characters: a shorter identifier occurs by chance, so it must stand alone between other characters


class Traces:
    """What an identifier looks like.

    An identifier of up to five characters counts only where no letter or digit stands beside it; a longer one counts
    wherever it stands. Either way not within one of the identifiers to keep.
    """

    def __init__(self, identifier: str, keep: Iterable[str] = ()) -> None:
        """Look for `identifier`, except within the texts to `keep`: identifiers of others that contain it."""
        self.identifier = identifier
        # The longest first: of two that start alike the longer one is meant.
        self.keep = tuple(sorted({text for text in keep if identifier in text}, key=lambda text: (-len(text), text)))

    def in_text(self, text: str) -> bool:
        """Whether a text holds the identifier."""
        return self.identifier in text and self.in_bytes(os.fsencode(text))

    def in_bytes(self, content: bytes) -> bool:
        """Whether bytes hold the identifier, in UTF-8, UTF-16 or as hexadecimal digits of the former."""
        return any(match["found"] is not None for match in self._pattern.finditer(content))

    @property
    def is_sure(self) -> bool:
        """Whether the identifier is so long that it occurs nowhere by chance."""
        return len(self.identifier) >= _SURE_LENGTH

    @property
    def longest(self) -> int:
        """Bytes that an occurrence takes at most, with what is kept around it."""
        return 4 * max(len(text.encode()) for text in (self.identifier, *self.keep)) + 2

    @cached_property
    def _pattern(self) -> "re.Pattern[bytes]":
        kept = [re.escape(form) for text in self.keep for form in _forms(text)]
        before, after = (b"", b"") if self.is_sure else (rb"(?<![A-Za-z0-9])", rb"(?![A-Za-z0-9])")
        found = b"|".join(before + re.escape(form) + after for form in _forms(self.identifier))
        return re.compile(b"|".join([*kept, b"(?P<found>" + found + b")"]))


def _forms(text: str) -> list[bytes]:
    digits = text.encode().hex()
    return [*(text.encode(encoding) for encoding in _ENCODINGS), digits.encode(), digits.upper().encode()]
