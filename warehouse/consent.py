"""The register of consents: for which days a patient agreed to be scored, and who was erased.

The sidecar of a recording must say yes, whatever stands here. A patient with records is scored only on days within one
of them; a patient without any follows the sidecar alone, unless records are required for everybody.

Nothing of a patient who was erased is stored again until a new consent is recorded. An erased patient is remembered
only by a salted hash of the pseudonym. It cannot be turned back, but whoever has a pseudonym can ask whether it was
erased: otherwise nobody could be kept out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from typing import Literal

import duckdb

from warehouse import audit, queries
from warehouse.encryption import is_key_of, key_check
from warehouse.transaction import transaction

ERASED = "the patient was erased, and no new consent is on record"


@dataclass(frozen=True)
class Consent:
    """One period for which a patient consented."""

    patient_id: str  # pseudonym
    valid_from: date  # first local calendar day
    valid_to: date | None  # last local calendar day, not before valid_from; None: without end
    withdrawn_on: date | None  # from this day on it no longer holds; None: not withdrawn
    source: str  # where it is on file, 1 to 200 characters, never a name

    @property
    def identity(self) -> str:
        """Identifier of the record, which stays when the record changes."""
        return "\n".join((self.patient_id, self.valid_from.isoformat(), self.source))

    def covers(self, day: date) -> bool:
        """Whether the consent holds on a day."""
        ended = self.valid_to is not None and day > self.valid_to
        withdrawn = self.withdrawn_on is not None and day >= self.withdrawn_on
        return self.valid_from <= day and not ended and not withdrawn


@dataclass(frozen=True)
class ConsentRegister:
    """All periods, by patient, and who was erased and gave none since."""

    periods: Mapping[str, Sequence[Consent]]
    erased: Set[str] = frozenset()  # among those that were asked for

    def refusal(self, patient_id: str, day: date, required: bool = False) -> str | None:
        """Why a session of that day may not be scored, in words; None if it may.

        Args:
            patient_id: whose session it is.
            day: local calendar day of its start.
            required: whether a patient without any record is refused as well.
        """
        if patient_id in self.erased:
            return ERASED
        periods = self.periods.get(patient_id, ())
        if any(period.covers(day) for period in periods):
            return None
        if periods:
            return f"no consent on record covers {day}"
        return "no consent on record, and one is required" if required else None


def read_register(connection: duckdb.DuckDBPyConnection, patient_ids: Iterable[str] = ()) -> ConsentRegister:
    """The whole register.

    Args:
        connection: the warehouse.
        patient_ids: of whom it is to know whether they were erased.

    Raises:
        WarehouseError: the database refused.
    """
    periods: dict[str, list[Consent]] = defaultdict(list)
    for row in queries.consents(connection).drop("recorded_at").iter_rows(named=True):
        periods[row["patient_id"]].append(Consent(**row))
    return ConsentRegister(dict(periods), buried_among(connection, "patient", patient_ids))


# Ask to try again what is in quarantine for want of a consent of a patient.
_ASK_REPLAY_OF_PATIENT = """
    UPDATE quarantine SET replay_asked_at = now()
    WHERE patient_id = $patient_id AND reason = 'no_consent' AND replay_asked_at IS NULL
"""
# Take a period of consent out of the register, to put it in anew.
_DELETE_CONSENT = "DELETE FROM consents WHERE patient_id = $patient_id AND valid_from = $valid_from"
# Take a period of consent into the register.
_INSERT_CONSENT = """
    INSERT INTO consents (patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at)
    VALUES ($patient_id, $valid_from, $valid_to, $withdrawn_on, $source, now())
"""


def record_consents(connection: duckdb.DuckDBPyConnection, consents: Sequence[Consent]) -> tuple[int, int]:
    """Take consents into the register, all or none. One that begins on the same day takes the older one's place.

    What was stored before a withdrawal stays; erasing it is a decision of its own. What is in quarantine for want of a
    consent is tried again. A consent that somebody erased had given before is passed over; any other one of that
    patient says that data may be stored again.

    Returns:
        How many were new or changed, and how many were passed over.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        known = {period for periods in read_register(connection).periods.values() for period in periods}
        old = buried_among(connection, "consent", [consent.identity for consent in consents])
        new = [consent for consent in consents if consent.identity not in old]
        changed = [consent for consent in new if consent not in known]
        for patient_id in {consent.patient_id for consent in changed}:
            lift(connection, "patient", patient_id)
            connection.execute(_ASK_REPLAY_OF_PATIENT, {"patient_id": patient_id})
        for consent in changed:
            key = {"patient_id": consent.patient_id, "valid_from": consent.valid_from}
            connection.execute(_DELETE_CONSENT, key)
            connection.execute(_INSERT_CONSENT, vars(consent))
            audit.record(
                connection,
                "consent_withdrawn" if consent.withdrawn_on else "consent_recorded",
                patient_id=consent.patient_id,
                valid_from=consent.valid_from,
                valid_to=consent.valid_to,
                withdrawn_on=consent.withdrawn_on,
            )
    return len(changed), len(consents) - len(new)


Kind = Literal["patient", "consent"]


# Leave a mark of somebody erased, or of a consent.
_INSERT_TOMBSTONE = "INSERT INTO tombstones (mark, kind, erased_at) VALUES ($mark, $kind, now())"


def bury(connection: duckdb.DuckDBPyConnection, kind: Kind, names: Iterable[str]) -> None:
    """Leave marks, within the caller's transaction; a name that has one is given no other."""
    names = list(names)
    buried = buried_among(connection, kind, names)
    for name in names:
        if name not in buried:
            connection.execute(_INSERT_TOMBSTONE, {"mark": key_check(name), "kind": kind})


def buried_among(connection: duckdb.DuckDBPyConnection, kind: Kind, names: Iterable[str]) -> set[str]:
    """Which of these names have a mark."""
    marks = _marks(connection, kind)
    return {name for name in set(names) if any(is_key_of(mark, name) for mark in marks)} if marks else set()


# Take marks away.
_DELETE_TOMBSTONES = "DELETE FROM tombstones WHERE list_contains(CAST($marks AS VARCHAR[]), mark)"


def lift(connection: duckdb.DuckDBPyConnection, kind: Kind, name: str) -> None:
    """Take the mark of a name away, within the caller's transaction."""
    marks = [mark for mark in _marks(connection, kind) if is_key_of(mark, name)]
    connection.execute(_DELETE_TOMBSTONES, {"marks": marks})


# The marks of those who were erased, or of their consents.
_TOMBSTONES = "SELECT mark FROM tombstones WHERE kind = $kind"


def _marks(connection: duckdb.DuckDBPyConnection, kind: Kind) -> list[str]:
    return [mark for (mark,) in connection.execute(_TOMBSTONES, {"kind": kind}).fetchall()]
