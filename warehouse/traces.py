"""Finds a patient's identifier in text and in bytes, but not as a part of another patient's."""

import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property

_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
_LEAST_LENGTH = 3  # characters of an identifier that is looked for in texts
_SURE_LENGTH = 6  # characters: a shorter identifier occurs by chance in any file that is no text
_STRUCK = "[erased]"


class Traces:
    """What an identifier looks like.

    It counts in texts only if it can be nothing else: it has a letter and a digit, and three characters or more. `12`
    may be an amount and `rosa` a colour; what people wrote of others must not be altered for that. And it counts only
    where no letter or digit stands beside it, and never within one of the identifiers to keep. In bytes that are no
    text, where words have no ends, six characters count wherever they stand.
    """

    def __init__(self, identifier: str, keep: Iterable[str] = ()) -> None:
        """Look for `identifier`, except within the texts to `keep`: identifiers of others that contain it."""
        self.identifier = identifier
        # The longest first: of two that start alike the longer one is meant.
        self.keep = tuple(sorted({text for text in keep if identifier in text}, key=lambda text: (-len(text), text)))

    def in_text(self, text: str) -> bool:
        """Whether a text holds the identifier."""
        return self.identifier in text and self._is_in(os.fsencode(text), self._words)

    def holds_word(self, text: str) -> bool:
        """Whether a text holds it as a word of its own, which need not mean the patient: `12` in `12 mg`."""
        return self.identifier in text and _found(self._pattern(_alone), os.fsencode(text))

    def strike(self, text: str) -> str:
        """A text in which something else stands wherever it held the identifier."""

        def replaced(match: "re.Match[bytes]") -> bytes:
            return match[0] if match["found"] is None else _STRUCK.encode()

        return os.fsdecode(self._words.sub(replaced, os.fsencode(text))) if self.in_text(text) else text

    def in_bytes(self, content: bytes) -> bool:
        """Whether bytes hold the identifier, in UTF-8, UTF-16 or as hexadecimal digits of the former."""
        return self._is_in(content, self._anywhere if self.is_sure else self._words)

    @property
    def is_distinct(self) -> bool:
        """Whether a word of a text that is the identifier can mean nothing but the patient."""
        kinds = any(map(str.isalpha, self.identifier)), any(map(str.isdigit, self.identifier))
        return all(kinds) and len(self.identifier) >= _LEAST_LENGTH

    @property
    def is_sure(self) -> bool:
        """Whether the identifier occurs nowhere by chance, not even in bytes that are no text.

        Databases cut long texts short: where somebody else's identifier begins like it, bytes prove nothing.
        """
        return self.is_distinct and len(self.identifier) >= _SURE_LENGTH and not self.keep

    @property
    def longest(self) -> int:
        """Bytes that an occurrence takes at most, with what is kept around it."""
        return 4 * max(len(text.encode()) for text in (self.identifier, *self.keep)) + 2

    def _is_in(self, content: bytes, pattern: "re.Pattern[bytes]") -> bool:
        return self.is_distinct and _found(pattern, content)

    @cached_property
    def _words(self) -> "re.Pattern[bytes]":
        return self._pattern(_alone)

    @cached_property
    def _anywhere(self) -> "re.Pattern[bytes]":
        return self._pattern(re.escape)

    def _pattern(self, wanted: Callable[[bytes], bytes]) -> "re.Pattern[bytes]":
        kept = [re.escape(form) for text in self.keep for form in _forms(text)]
        found = b"|".join(wanted(form) for form in _forms(self.identifier))
        return re.compile(b"|".join([*kept, b"(?P<found>" + found + b")"]))


def _found(pattern: "re.Pattern[bytes]", content: bytes) -> bool:
    return any(match["found"] is not None for match in pattern.finditer(content))


def _alone(form: bytes) -> bytes:
    return rb"(?<![A-Za-z0-9])" + re.escape(form) + rb"(?![A-Za-z0-9])"


def _forms(text: str) -> list[bytes]:
    digits = text.encode().hex()
    return [*(text.encode(encoding) for encoding in _ENCODINGS), digits.encode(), digits.upper().encode()]
