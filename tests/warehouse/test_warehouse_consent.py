"""On which days a patient consented, and what follows from that."""

from dataclasses import replace
from datetime import date

import duckdb
import pytest
from warehouse_samples import content, sample_session, store_sample

from pmfer.errors import QuarantineReason, SessionError
from warehouse import queries
from warehouse.consent import Consent, read_register, record_consents

MARCH = Consent("p01", date(2026, 3, 1), date(2026, 3, 31), None, "form 12")


@pytest.mark.parametrize(
    ("consent", "day", "covered"),
    [
        (MARCH, date(2026, 2, 28), False),
        (MARCH, date(2026, 3, 1), True),
        (MARCH, date(2026, 3, 31), True),
        (MARCH, date(2026, 4, 1), False),
        (replace(MARCH, valid_to=None), date(2036, 3, 31), True),
        (replace(MARCH, withdrawn_on=date(2026, 3, 15)), date(2026, 3, 14), True),
        (replace(MARCH, withdrawn_on=date(2026, 3, 15)), date(2026, 3, 15), False),
        (replace(MARCH, withdrawn_on=date(2026, 3, 1)), date(2026, 3, 1), False),
    ],
)
def test_a_consent_holds_from_its_first_day_to_its_last_or_its_withdrawal(
    consent: Consent, day: date, covered: bool
) -> None:
    assert consent.covers(day) is covered


def test_a_patient_with_records_needs_one_for_the_day_and_others_only_where_records_are_required(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    later = Consent("p01", date(2026, 6, 1), None, None, "form 13")
    assert record_consents(writer, [MARCH, later]) == (2, 0)
    register = read_register(writer)
    assert register.refusal("p01", date(2026, 3, 5)) is None
    assert register.refusal("p01", date(2026, 7, 5), required=True) is None
    assert register.refusal("p01", date(2026, 5, 5)) == "no consent on record covers 2026-05-05"
    assert register.refusal("p02", date(2026, 5, 5)) is None
    assert register.refusal("p02", date(2026, 5, 5), required=True) == "no consent on record, and one is required"


def test_the_same_file_again_changes_nothing_and_a_withdrawal_takes_the_place_of_its_period(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    record_consents(writer, [MARCH])
    before = content(writer)
    assert record_consents(writer, [MARCH]) == (0, 0)
    assert content(writer) == before
    withdrawn = replace(MARCH, withdrawn_on=date(2026, 3, 15))
    assert record_consents(writer, [withdrawn]) == (1, 0)
    assert queries.consents(writer)["withdrawn_on"].to_list() == [date(2026, 3, 15)]
    actions = writer.execute("SELECT action FROM audit_log ORDER BY entry").fetchall()
    assert actions == [("consent_recorded",), ("consent_withdrawn",)]


def test_nothing_is_stored_on_a_day_without_consent_and_what_is_stored_stays(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    consent = Consent("p01", date(2026, 6, 1), None, None, "form 12")
    record_consents(writer, [consent])
    assert store_sample(writer, sample_session("s1", day=2))
    record_consents(writer, [replace(consent, withdrawn_on=date(2026, 6, 2))])
    with pytest.raises(SessionError, match="no consent on record covers 2026-06-03") as error:
        store_sample(writer, sample_session("s2", day=3))
    assert error.value.reason is QuarantineReason.NO_CONSENT
    assert writer.execute("SELECT session_id FROM sessions").fetchall() == [("s1",)]
