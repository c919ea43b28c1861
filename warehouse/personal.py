"""Finds what belongs to a patient: rows, by the columns of their tables, and mentions in texts and bytes.

Every table with a column patient_id, session_id or scoring_id counts as a table of patients' rows, so that no table can
be forgotten. In texts and bytes a patient's identifier is found, except as a part of another patient's identifier.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import duckdb

from warehouse.sql import table_columns


@dataclass(frozen=True)
class Keys:
    """Keys of a patient's rows. A row belongs to the patient if one of these columns has one of these values."""

    patient_id: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    scoring_id: tuple[str, ...] = ()


# The stored sessions of a patient.
_SESSIONS_OF_PATIENT = "SELECT session_id FROM sessions WHERE patient_id = $patient_id ORDER BY session_id"


def keys_of_patient(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Keys:
    """The keys of a patient's rows.

    Sessions in quarantine are not included: one may have somebody else's session_id by mistake.
    """
    rows = connection.execute(_SESSIONS_OF_PATIENT, {"patient_id": patient_id}).fetchall()
    sessions = tuple(session_id for (session_id,) in rows)
    return Keys((patient_id,), sessions, scorings_of(connection, sessions))


# The scorings of these sessions.
_SCORINGS_OF_SESSIONS = """
    SELECT scoring_id
    FROM scorings
    WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
    ORDER BY scoring_id
"""


def scorings_of(connection: duckdb.DuckDBPyConnection, session_ids: Collection[str]) -> tuple[str, ...]:
    """The scorings of these sessions."""
    rows = connection.execute(_SCORINGS_OF_SESSIONS, {"session_ids": list(session_ids)}).fetchall()
    return tuple(scoring_id for (scoring_id,) in rows)


_LINKS = frozenset({"patient_id", "session_id", "scoring_id"})


def personal_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    """Every table with columns that link its rows to a patient, a session or a scoring, and these columns."""
    links = {table: _LINKS.intersection(columns) for table, columns in table_columns(connection).items()}
    return {table: columns for table, columns in links.items() if columns}


def count_rows(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, frozenset[str]], keys: Keys
) -> dict[str, int]:
    """How many rows of each table match the keys; tables without any are left out."""
    counts = {}
    for table, columns in tables.items():
        condition, values = _condition(columns, keys)
        if condition:
            ((count,),) = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}", values).fetchall()
            counts[table] = int(count)
    return {table: count for table, count in counts.items() if count}


def delete_rows(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, frozenset[str]], keys: Keys
) -> dict[str, int]:
    """Delete the rows that match the keys, in the caller's transaction; returns how many, like count_rows."""
    counts = count_rows(connection, tables, keys)
    for table in counts:
        condition, values = _condition(tables[table], keys)
        connection.execute(f"DELETE FROM {table} WHERE {condition}", values)
    return counts


def _condition(columns: frozenset[str], keys: Keys) -> tuple[str, dict[str, list[str]]]:
    values = {column: list(getattr(keys, column)) for column in sorted(columns) if getattr(keys, column)}
    terms = (f"{column} IN (SELECT unnest(CAST(${column} AS VARCHAR[])))" for column in values)
    return " OR ".join(terms), values


_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
_LEAST_LENGTH = 3  # characters; shorter identifiers are not searched for in texts
_SURE_LENGTH = 6  # characters; shorter identifiers occur by chance in binary files
_REDACTED = "[erased]"


class Traces:
    """Finds an identifier in texts and bytes.

    In a text it counts only if it cannot mean anything else: it must have a letter, a digit and at least three
    characters. `12` may be an amount and `rosa` a colour, and notes about other patients must not be altered because of
    that. It also counts only if no letter or digit is next to it, and never within one of the identifiers to keep. In
    binary data, which has no word boundaries, an identifier of six or more characters counts anywhere.
    """

    def __init__(self, identifier: str, keep: Iterable[str] = ()) -> None:
        """Look for `identifier`, except within the texts to `keep`: other identifiers that contain it."""
        self.identifier = identifier
        # Longest first, so that the longer of two that begin alike is matched.
        self.keep = tuple(sorted({text for text in keep if identifier in text}, key=lambda text: (-len(text), text)))

    def in_text(self, text: str) -> bool:
        """Whether a text contains the identifier."""
        return self.identifier in text and self._is_in(os.fsencode(text), self._words)

    def holds_word(self, text: str) -> bool:
        """Whether a text contains it as a word, even if it may not mean the patient: `12` in `12 mg`."""
        return self.identifier in text and _found(self._pattern(_alone), os.fsencode(text))

    def redact(self, text: str) -> str:
        """The text with `[erased]` in place of the identifier."""

        def replaced(match: "re.Match[bytes]") -> bytes:
            return match[0] if match["found"] is None else _REDACTED.encode()

        return os.fsdecode(self._words.sub(replaced, os.fsencode(text))) if self.in_text(text) else text

    def in_bytes(self, content: bytes) -> bool:
        """Whether bytes contain the identifier, in UTF-8, in UTF-16, or in UTF-8 as hexadecimal digits."""
        # A plain search first, which is many times as fast and rules out nearly every file.
        if not any(form in content for form in _forms(self.identifier)):
            return False
        return self._is_in(content, self._anywhere if self.is_sure else self._words)

    @property
    def is_distinct(self) -> bool:
        """Whether the identifier, as a word of a text, can only mean the patient."""
        kinds = any(map(str.isalpha, self.identifier)), any(map(str.isdigit, self.identifier))
        return all(kinds) and len(self.identifier) >= _LEAST_LENGTH

    @property
    def is_sure(self) -> bool:
        """Whether the identifier cannot occur by chance, not even in binary data.

        Databases may store long texts truncated, so if another identifier contains this one, bytes prove nothing.
        """
        return self.is_distinct and len(self.identifier) >= _SURE_LENGTH and not self.keep

    @property
    def longest(self) -> int:
        """Maximum length in bytes of an occurrence, including an identifier to keep around it."""
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
