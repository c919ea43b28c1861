"""Findings are stored once per day, accepted levels count until undone, and both are deleted with their patient."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pytest
from warehouse_samples import PROVENANCE, content, sample_session, sha256, store_sample

from pmfer.errors import WarehouseError
from warehouse import erasure, mentions
from warehouse.findings import (
    accept_level,
    accepted_levels,
    carried_over,
    flags,
    levels_in_force,
    store_findings,
    undo_level,
)
from warehouse.queries import Provenance
from warehouse.records import AcceptedLevel, FindingRecord
from warehouse.retention import Retention, expire_rows
from warehouse.verify import verify_log

Connection = duckdb.DuckDBPyConnection
FIRST = date(2026, 6, 1)
NEWER = Provenance(sha256("newer card"), PROVENANCE.options_sha256)
USUAL = FindingRecord(
    patient_id="p01",
    session_date=FIRST,
    measure="pain_activity",
    bundle_id=PROVENANCE.bundle_id,
    options_sha256=PROVENANCE.options_sha256,
    kind="headline",
    state="usual",
    stage="usual",
    code_version="0.1",
    value=0.2,
    recent=0.2,
    usual_low=0.1,
    usual_high=0.3,
    centre=0.2,
    limit_low=0.0,
    limit_high=0.5,
    baseline_days=9,
)
# Tests in which the kind of storage makes no difference use a file only.
in_a_file = pytest.mark.parametrize("address", ["file"], indirect=True)
LEVEL = AcceptedLevel("p01", "pain_activity", date(2026, 6, 3), "new glasses")


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def higher(number: int, opened: int, **changed: object) -> FindingRecord:
    """A day on which the flag of a day is new, or still open."""
    flagged = replace(
        USUAL,
        session_date=day(number),
        state="higher",
        stage="new" if number == opened else "open",
        rules=("ewma",),
        value=0.7,
        direction="higher",
        opened_on=day(opened),
        onset_on=day(opened - 1),
        onset_from=day(opened - 2),
        onset_to=day(opened),
        days_open=number - opened + 1,
    )
    return replace(flagged, **changed)


def back(number: int, opened: int, closed: int) -> FindingRecord:
    return higher(number, opened, state="usual", stage="back", rules=(), closed_on=day(closed), value=0.2)


def said(connection: Connection, findings: Sequence[FindingRecord]) -> None:
    """Store each day by itself, as nights do."""
    for number in sorted({finding.session_date for finding in findings}):
        store_findings(connection, [finding for finding in findings if finding.session_date == number])


def shown(connection: Connection, *columns: str) -> list[tuple[object, ...]]:
    return flags(connection).select(columns).rows()


def entries(connection: Connection, action: str) -> list[str]:
    rows = connection.execute("SELECT details FROM audit_log WHERE action = $action ORDER BY entry", {"action": action})
    return [details for (details,) in rows.fetchall()]


def test_a_day_is_stored_once_and_another_rendering_takes_its_place(writer: Connection) -> None:
    smiling = replace(
        USUAL, measure="smiling", state="insufficient", stage="not_compared", value=None, lack="no_baseline"
    )
    other = replace(USUAL, patient_id="p02")
    assert store_findings(writer, [higher(4, 4), replace(smiling, session_date=day(4)), other]) == 2
    before = content(writer)
    assert store_findings(writer, [replace(smiling, session_date=day(4)), higher(4, 4), other]) == 0
    assert content(writer) == before
    # The other measure is not in the new report, so its row is deleted. The other patient's rows stay as they are.
    assert store_findings(writer, [higher(4, 4, rules=("beyond_limits", "ewma")), other]) == 1
    rows = writer.execute("FROM findings ORDER BY patient_id, measure").pl()
    assert rows.select("patient_id", "measure", "rules").rows() == [
        ("p01", "pain_activity", ["beyond_limits", "ewma"]),
        ("p02", "pain_activity", []),
    ]
    # Under another bundle the same day has rows of its own.
    assert store_findings(writer, [higher(4, 4, bundle_id=NEWER.bundle_id)]) == 1
    assert writer.execute("SELECT count(*) FROM findings").fetchone() == (3,)
    assert len(entries(writer, "findings_stored")) == 4
    assert verify_log(writer)[1] is None


@in_a_file
def test_a_flag_that_came_to_an_end_says_when_and_how(writer: Connection) -> None:
    days = [replace(USUAL, session_date=day(number)) for number in (1, 2, 3)]
    days += [higher(number, 4) for number in (4, 5)]
    unseen = higher(6, 4, state="insufficient", rules=(), value=None, lack="no_session", days_open=2)
    said(writer, [*days, unseen, higher(8, 4, days_open=3)])
    columns = ("opened_on", "last_flagged_on", "closed_on", "days", "valid_days", "outcome")
    assert shown(writer, *columns) == [(day(4), day(8), None, 5, 3, "open")]
    said(writer, [back(11, 4, 10)])
    assert shown(writer, *columns) == [(day(4), day(8), day(10), 5, 3, "back")]
    # A second flag has a row of its own, and the outcome of the first one stays.
    said(writer, [higher(20, 20)])
    assert shown(writer, "opened_on", "outcome") == [(day(20), "open"), (day(4), "back")]
    assert flags(writer, over=False)["opened_on"].to_list() == [day(20)]
    assert flags(writer, "p02").is_empty()


@in_a_file
def test_a_flag_that_reports_stopped_telling_of_is_back_from_the_next_comparison(writer: Connection) -> None:
    said(writer, [higher(4, 4), replace(USUAL, session_date=day(15))])
    assert shown(writer, "closed_on", "outcome") == [(day(15), "back")]


@in_a_file
def test_a_flag_that_comes_back_within_days_of_its_end_goes_on(writer: Connection) -> None:
    said(writer, [higher(4, 4), back(6, 4, 6), back(7, 4, 6), higher(8, 4)])
    assert shown(writer, "opened_on", "last_flagged_on", "closed_on", "outcome") == [(day(4), day(8), None, "open")]


@in_a_file
def test_phrases_and_context_put_nobody_on_the_list(writer: Connection) -> None:
    said(writer, [higher(4, 4, measure="au04", kind="phrase")])
    assert flags(writer).is_empty()


def test_an_accepted_level_counts_until_it_is_undone(writer: Connection) -> None:
    store_sample(writer, sample_session("s1"))
    said(writer, [higher(4, 4)])
    accept_level(writer, LEVEL)
    assert levels_in_force(writer, ["p01", "p02"], day(3)) == {"p01": {"pain_activity": LEVEL}}
    assert levels_in_force(writer, ["p01"], day(2)) == {}
    # No report has been made since, so the flag has no closing day.
    assert shown(writer, "closed_on", "outcome", "accepted_from") == [(None, "accepted", day(3))]
    said(writer, [replace(USUAL, session_date=day(5), stage="accepted", accepted_on=day(3))])
    assert shown(writer, "closed_on", "outcome", "accepted_from") == [(day(5), "accepted", day(3))]
    assert undo_level(writer, "p01", "pain_activity") == day(3)
    assert levels_in_force(writer, ["p01"], day(3)) == {}
    assert shown(writer, "closed_on", "outcome", "accepted_from") == [(None, "open", None)]
    with pytest.raises(WarehouseError, match="no level is accepted; nothing to undo"):
        undo_level(writer, "p01", "pain_activity")
    accept_level(writer, LEVEL)
    assert accepted_levels(writer)["undone_at"].null_count() == 1
    for action in ("level_accepted", "level_undone"):
        assert entries(writer, action)[0] == '{"from_date": "2026-06-03", "measure": "pain_activity"}'


@in_a_file
def test_the_latest_level_up_to_the_day_is_the_one_that_counts(writer: Connection) -> None:
    store_sample(writer, sample_session("s1"))
    for number in (3, 9):
        accept_level(writer, replace(LEVEL, from_date=day(number)))
    for number, first in ((8, 3), (9, 9), (30, 9)):
        in_force = levels_in_force(writer, ["p01"], day(number))["p01"]["pain_activity"]
        assert in_force == replace(LEVEL, from_date=day(first))
    assert undo_level(writer, "p01", "pain_activity", day(3)) == day(3)
    assert undo_level(writer, "p01", "pain_activity") == day(9)


@in_a_file
def test_a_level_that_cannot_be_meant_is_refused(writer: Connection) -> None:
    store_sample(writer, sample_session("s1"))
    accept_level(writer, LEVEL)
    before = content(writer)
    for wrong, why in (
        (replace(LEVEL, patient_id="p09"), "patient p09: nothing is stored"),
        (replace(LEVEL, from_date=date(2026, 5, 31)), "2026-05-31: is before the patient's first day, 2026-06-01"),
        (LEVEL, "pain_activity: the level from 2026-06-03 is already accepted"),
    ):
        with pytest.raises(WarehouseError, match=why):
            accept_level(writer, wrong)
    assert content(writer) == before


def carried(connection: Connection, number: int, provenance: Provenance = NEWER) -> list[tuple[object, ...]]:
    rows = carried_over(connection, ["p01", "p02"], provenance, since=day(number - 27), day=day(number))
    return rows.select("measure", "direction", "opened_on", "onset_on", "last_told_on").rows()


@in_a_file
def test_a_flag_is_carried_over_to_another_bundle_until_that_compares(writer: Connection) -> None:
    store_sample(writer, sample_session("s1"))
    said(writer, [higher(4, 4), higher(5, 4), replace(USUAL, session_date=day(5), measure="sadness")])
    told = [("pain_activity", "higher", day(4), day(3), day(5))]
    assert carried(writer, 6) == told
    assert carried(writer, 4) == []  # only findings of earlier days count
    assert carried(writer, 6, PROVENANCE) == []  # the same bundle follows its own flags
    assert carried(writer, 40) == []  # longer ago than the weeks shown in a report
    restarts = replace(
        USUAL, session_date=day(6), bundle_id=NEWER.bundle_id, state="insufficient", stage="not_compared",
        lack="no_baseline", baseline_days=0, usual_low=None, usual_high=None, centre=None, limit_low=None,
        limit_high=None,
    )  # fmt: skip
    said(writer, [restarts])
    assert shown(writer, "last_flagged_on", "closed_on", "outcome") == [(day(5), None, "carried_over")]
    assert carried(writer, 7) == told
    # A person may accept it in the meantime.
    accept_level(writer, replace(LEVEL, from_date=day(6)))
    assert carried(writer, 7) == []
    assert shown(writer, "outcome", "accepted_from") == [("accepted", day(6))]
    undo_level(writer, "p01", "pain_activity")
    said(writer, [replace(USUAL, session_date=day(13), bundle_id=NEWER.bundle_id)])
    assert carried(writer, 13) == told
    assert carried(writer, 14) == []
    # It is no longer carried over: what the new bundle finds is a flag of its own.
    assert shown(writer, "closed_on", "outcome") == [(day(13), "carried_over")]
    assert flags(writer, over=False).is_empty()


@in_a_file
def test_a_flag_that_was_back_is_not_carried_over(writer: Connection) -> None:
    said(writer, [higher(4, 4), back(6, 4, 6)])
    assert carried(writer, 7) == []


@in_a_file
def test_findings_go_with_reports_and_levels_with_the_last_session(writer: Connection) -> None:
    store_sample(writer, sample_session("s1"))
    said(writer, [higher(4, 4), higher(20, 4)])
    accept_level(writer, LEVEL)
    assert expire_rows(writer, Retention(reports=10), day(21)) == {"findings": 1}
    assert writer.execute("SELECT session_date FROM findings").fetchall() == [(day(20),)]
    counts = expire_rows(writer, Retention(sessions=10), day(21))
    assert counts["accepted_levels"] == 1
    assert "findings" not in counts


@in_a_file
def test_both_go_with_their_patient_and_do_not_come_back(writer: Connection) -> None:
    store_sample(writer, sample_session("s1", "birch-01"))
    store_sample(writer, sample_session("s2", "p02"))
    for patient_id, note in (("birch-01", "new glasses"), ("p02", "sits beside birch-01 now")):
        said(writer, [higher(4, 4, patient_id=patient_id)])
        accept_level(writer, replace(LEVEL, patient_id=patient_id, note=note))
    held = erasure.holdings(writer, "birch-01")
    assert (held.rows["findings"], held.rows["accepted_levels"], held.mentions["accepted_levels"]) == (1, 1, 1)
    erasure.erase_rows(writer, "birch-01", erasure.begin_erasure(writer, "birch-01", {}), {})
    assert erasure.remaining(writer, mentions.traces_of(writer, "birch-01")) == []
    assert accepted_levels(writer).select("patient_id", "note").rows() == [("p02", "sits beside [erased] now")]
    assert store_findings(writer, [higher(4, 4, patient_id="birch-01")]) == 0
    with pytest.raises(WarehouseError, match="nothing is stored"):
        accept_level(writer, replace(LEVEL, patient_id="birch-01"))
    ((everything,),) = writer.execute("SELECT string_agg(CAST(audit_log AS VARCHAR)) FROM audit_log").fetchall()
    assert "birch-01" not in everything
