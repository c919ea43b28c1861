"""The consent register: on which days a patient consents to be scored, and who was erased.

The sidecar of a recording must state consent in any case. A patient with records in the register is scored only on days
that one of them covers. For a patient without records the sidecar alone decides, unless records are required for
everybody.

Nothing about an erased patient is stored again until a new consent is recorded. An erased patient is
remembered only by a tombstone with a salted hash of the pseudonym. The hash cannot be reversed, but somebody who has a
pseudonym can check whether it was erased; without that, the patient could not be kept out.
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
    valid_to: date | None  # last local calendar day, not before valid_from; None: unlimited
    withdrawn_on: date | None  # first day on which it no longer holds; None: not withdrawn
    source: str  # where the consent is filed, 1 to 200 characters, never a name

    @property
    def identity(self) -> str:
        """Identifier of the record, which stays the same when its end or withdrawal changes."""
        return "\n".join((self.patient_id, self.valid_from.isoformat(), self.source))

    def covers(self, day: date) -> bool:
        """Whether the consent holds on a day."""
        ended = self.valid_to is not None and day > self.valid_to
        withdrawn = self.withdrawn_on is not None and day >= self.withdrawn_on
        return self.valid_from <= day and not ended and not withdrawn


@dataclass(frozen=True)
class ConsentRegister:
    """All periods by patient, and which patients were erased and have not consented since."""

    periods: Mapping[str, Sequence[Consent]]
    erased: Set[str] = frozenset()  # of the patients that read_register was asked about

    def refusal(self, patient_id: str, day: date, required: bool = False) -> str | None:
        """Why a session of that day may not be scored, in words; None if it may.

        Args:
            patient_id: the patient in the session.
            day: local calendar day of its start.
            required: whether to refuse a patient who has no record at all.
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
        patient_ids: patients to check for erasure.

    Raises:
        WarehouseError: the database failed.
    """
    periods: dict[str, list[Consent]] = defaultdict(list)
    for row in queries.consents(connection).drop("recorded_at").iter_rows(named=True):
        periods[row["patient_id"]].append(Consent(**row))
    return ConsentRegister(dict(periods), with_tombstone(connection, "patient", patient_ids))


# Mark a patient's sessions that are in quarantine for lack of consent to be tried again.
_ASK_REPLAY_OF_PATIENT = """
    UPDATE quarantine SET replay_asked_at = now()
    WHERE patient_id = $patient_id AND reason = 'no_consent' AND replay_asked_at IS NULL
"""
# Delete a period of consent, to insert its new version.
_DELETE_CONSENT = "DELETE FROM consents WHERE patient_id = $patient_id AND valid_from = $valid_from"
# Insert a period of consent.
_INSERT_CONSENT = """
    INSERT INTO consents (patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at)
    VALUES ($patient_id, $valid_from, $valid_to, $withdrawn_on, $source, now())
"""


def record_consents(connection: duckdb.DuckDBPyConnection, consents: Sequence[Consent]) -> tuple[int, int]:
    """Add consents to the register, all or none. One that begins on the same day as a stored one replaces it.

    Data stored before a withdrawal stays; erasing it is a separate decision. Sessions in quarantine for lack of consent
    are tried again. If a patient was erased, the consents that were on record at that time are skipped; any other
    consent of that patient means that data may be stored again.

    Returns:
        How many were new or changed, and how many were skipped.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        known = {period for periods in read_register(connection).periods.values() for period in periods}
        erased = with_tombstone(connection, "consent", [consent.identity for consent in consents])
        accepted = [consent for consent in consents if consent.identity not in erased]
        changed = [consent for consent in accepted if consent not in known]
        for patient_id in {consent.patient_id for consent in changed}:
            remove_tombstone(connection, "patient", patient_id)
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
    return len(changed), len(consents) - len(accepted)


Kind = Literal["patient", "consent"]


# Add the tombstone of an erased patient, or of one of the patient's consents.
_INSERT_TOMBSTONE = "INSERT INTO tombstones (mark, kind, erased_at) VALUES ($mark, $kind, now())"


def add_tombstones(connection: duckdb.DuckDBPyConnection, kind: Kind, names: Iterable[str]) -> None:
    """Add a tombstone for each name that has none yet, within the caller's transaction.

    Names are patient_ids, or identities of consents.
    """
    names = list(names)
    existing = with_tombstone(connection, kind, names)
    for name in names:
        if name not in existing:
            connection.execute(_INSERT_TOMBSTONE, {"mark": key_check(name), "kind": kind})


def with_tombstone(connection: duckdb.DuckDBPyConnection, kind: Kind, names: Iterable[str]) -> set[str]:
    """Which of these names have a tombstone."""
    marks = _marks(connection, kind)
    return {name for name in set(names) if any(is_key_of(mark, name) for mark in marks)} if marks else set()


_DELETE_TOMBSTONES = "DELETE FROM tombstones WHERE list_contains(CAST($marks AS VARCHAR[]), mark)"


def remove_tombstone(connection: duckdb.DuckDBPyConnection, kind: Kind, name: str) -> None:
    """Remove the tombstone of a name, if it has one, within the caller's transaction."""
    marks = [mark for mark in _marks(connection, kind) if is_key_of(mark, name)]
    connection.execute(_DELETE_TOMBSTONES, {"marks": marks})


_MARKS = "SELECT mark FROM tombstones WHERE kind = $kind"


def _marks(connection: duckdb.DuckDBPyConnection, kind: Kind) -> list[str]:
    """Salted hashes of the names of erased patients, or of the identities of their consents."""
    return [mark for (mark,) in connection.execute(_MARKS, {"kind": kind}).fetchall()]
