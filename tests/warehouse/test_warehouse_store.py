"""A session is stored once and completely, and is never changed by later writes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from stored import store_session
from warehouse_places import ON_EACH
from warehouse_samples import (
    BROKEN,
    BUNDLE,
    content,
    fingerprint,
    sample_frames,
    sample_scoring,
    sample_session,
    sha256,
    store_sample,
)

from pmfer.errors import QuarantineReason, SessionError, WarehouseError
from warehouse import queries
from warehouse.address import Address
from warehouse.connection import open_writer
from warehouse.contracts import broken_contracts
from warehouse.corrections import corrections
from warehouse.quarantine import add_quarantine
from warehouse.records import SessionRecord, SessionResult
from warehouse.store import refusals, scoring_id, store_sessions
from warehouse.verify import verify_log


def counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {name: len(rows) for name, rows in content(connection).items()}


@ON_EACH
def test_a_session_comes_back_as_it_went_in(writer: duckdb.DuckDBPyConnection) -> None:
    frames = sample_frames("s1")
    assert store_session(writer, sample_session("s1"), sample_scoring(frames), BUNDLE, frames)
    stored = writer.execute("SELECT * EXCLUDE scoring_id FROM frame_scores ORDER BY frame_index").pl()
    assert stored.equals(frames)
    session = writer.execute("FROM sessions").pl().row(0, named=True)
    assert session["started_at"] == datetime(2026, 6, 1, 7, tzinfo=UTC)
    assert (session["session_date"], session["utc_offset_s"]) == (date(2026, 6, 1), 7200)


def test_the_local_day_counts_not_that_of_utc(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1", day=2, hour=1))  # 23:00 UTC the day before
    assert writer.execute("SELECT session_date FROM sessions").fetchall() == [(date(2026, 6, 2),)]


def test_the_same_content_bundle_and_options_write_nothing(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1"))
    before = fingerprint(writer)
    assert not store_sample(writer, sample_session("s1"))
    assert fingerprint(writer) == before


def test_other_options_or_another_bundle_add_a_scoring_of_the_same_session(writer: duckdb.DuckDBPyConnection) -> None:
    session, frames = sample_session("s1"), sample_frames("s1")
    other = replace(BUNDLE, bundle_id=sha256("other card"), card={"name": "other"})
    assert store_session(writer, session, sample_scoring(frames), BUNDLE, frames)
    assert store_session(writer, session, sample_scoring(frames, options="slower"), BUNDLE, frames)
    assert store_session(writer, session, sample_scoring(frames), other, frames)
    assert {"sessions": 1, "scorings": 3, "bundles": 2, "patients": 1}.items() <= counts(writer).items()
    expected = scoring_id(session.content_sha256, other.bundle_id, sha256("options"))
    assert queries.existing_scorings(writer, [expected, sha256("never")]) == {expected}


def sample_result(session: SessionRecord, content: str | None = None) -> SessionResult:
    frames = sample_frames(content or session.session_id).with_columns(session_id=pl.lit(session.session_id))
    return SessionResult(session, sample_scoring(frames), frames)


@ON_EACH
def test_sessions_stored_together_are_stored_as_one_by_one(
    writer: duckdb.DuckDBPyConnection, new_warehouse: Callable[[str, Path], Address], tmp_path: Path
) -> None:
    sessions = [sample_session(f"s{i}", f"p{i % 2}", day=1 + i % 3) for i in range(6)]
    store_sample(writer, sessions[3])
    add_quarantine(writer, replace(BROKEN, source_uri=sessions[4].source_uri))
    assert store_sessions(writer, BUNDLE, [sample_result(session) for session in sessions]) == 5
    assert store_sessions(writer, BUNDLE, [sample_result(session) for session in sessions]) == 0
    together = {name: rows for name, rows in content(writer).items() if name != "schema_migrations"}
    with open_writer(new_warehouse("file", tmp_path / "other")) as other:
        for session in sessions:
            store_sample(other, session)
        alone = content(other)
    assert together == {name: alone[name] for name in together}
    broken = {breach.name for breach in broken_contracts(writer)}
    assert broken <= {"nothing_without_owner"}  # no run was started here
    end, trouble = verify_log(writer)
    assert (end.entries, trouble) == (7, None)  # an entry for every session and for the quarantined one


def test_of_sessions_stored_together_none_is_stored_if_one_is_refused(writer: duckdb.DuckDBPyConnection) -> None:
    before = content(writer)
    first = sample_session("s1")
    for second in (replace(first, session_id="s2"), replace(sample_session("s2"), consent=False)):
        with pytest.raises(SessionError):
            store_sessions(writer, BUNDLE, [sample_result(first), sample_result(second)])
        assert content(writer) == before
    wrong = sample_result(sample_session("s2"))
    wrong = replace(wrong, frames=wrong.frames.with_columns(pl.col("frame_index").reverse()))
    with pytest.raises(WarehouseError, match="session s2: column frame_index, row 1: must increase"):
        store_sessions(writer, BUNDLE, [sample_result(first), wrong])
    with pytest.raises(WarehouseError, match="one was given twice"):
        store_sessions(writer, BUNDLE, [sample_result(first), sample_result(first)])
    assert content(writer) == before
    assert store_sessions(writer, BUNDLE, []) == 0


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (replace(sample_session("s1"), consent=False), QuarantineReason.NO_CONSENT),
        (replace(sample_session("s1"), started_at=datetime(2026, 6, 1, 9)), QuarantineReason.SIDECAR_INVALID),
        (replace(sample_session("s2"), content_sha256=sha256("s1")), QuarantineReason.DUPLICATE_CONTENT),
        (replace(sample_session("s1"), content_sha256=sha256("s2")), QuarantineReason.SESSION_CONFLICT),
        (replace(sample_session("s1"), patient_id="p02"), QuarantineReason.SESSION_CONFLICT),
        (sample_session("s1", day=2), QuarantineReason.SESSION_CONFLICT),
    ],
)
def test_a_session_that_contradicts_what_is_stored_changes_nothing(
    writer: duckdb.DuckDBPyConnection, session: SessionRecord, reason: QuarantineReason
) -> None:
    store_sample(writer, sample_session("s1"))
    before = content(writer)
    fine, refusal, again = refusals(writer, [sample_session("s3"), session, session])
    with pytest.raises(SessionError) as error:
        store_sample(writer, session)
    assert fine is None
    for found in (error.value, refusal, again):
        assert found is not None
        assert found.reason is reason
        assert str(found) == str(error.value)
        assert "\n" not in str(found)
    assert content(writer) == before


@ON_EACH
def test_a_corrected_session_takes_the_place_of_the_stored_one_and_of_no_other(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    wrong, other = sample_session("s1"), sample_session("s2")
    slower = sample_scoring(sample_frames("s1"), options="slower")
    store_sample(writer, other)
    store_sample(writer, wrong)
    store_session(writer, wrong, slower, BUNDLE, sample_frames("s1"))
    right = replace(wrong, session_id="s1-corrected", patient_id="p02")
    assert corrections(writer, [right], {wrong.source_uri}) == {right.source_uri: "s1"}
    assert corrections(writer, [replace(right, source_uri="2026-06-01/copy.mp4")], {wrong.source_uri}) == {}
    assert corrections(writer, [replace(right, started_at=sample_session("s1", day=2).started_at)], ()) == {}
    right = replace(right, replaces="s1")
    assert refusals(writer, [right]) == [None]
    for _ in range(2):  # a killed run may have left it in the inbox although it was stored
        store_sessions(writer, BUNDLE, [sample_result(right, "s1")])
        sessions = writer.execute("SELECT session_id, patient_id FROM sessions ORDER BY ALL").fetchall()
        assert sessions == [("s1-corrected", "p02"), ("s2", "p01")]
    owners = writer.execute("SELECT DISTINCT session_id FROM stored_frames ORDER BY ALL").fetchall()
    assert owners == [("s1-corrected",), ("s2",)]
    broken = {breach.name for breach in broken_contracts(writer)}
    assert broken <= {"nothing_without_owner"}  # no run was started here
    end, trouble = verify_log(writer)
    assert (end.entries, trouble) == (5, None)


def test_another_session_id_is_advised_only_for_another_video(writer: duckdb.DuckDBPyConnection) -> None:
    first = sample_session("s1")
    store_sample(writer, first)
    conflicts = [
        replace(first, content_sha256=sha256("s2")),
        replace(first, patient_id="p02"),
        sample_session("s1", day=2),
    ]
    advised = ["another session_id" in str(refusal) for refusal in refusals(writer, conflicts)]
    assert advised == [True, False, False]
    # Because it would not help.
    (refusal,) = refusals(writer, [replace(first, patient_id="p02", session_id="s4")])
    assert refusal is not None
    assert refusal.reason is QuarantineReason.DUPLICATE_CONTENT


def test_the_same_instant_in_another_zone_is_no_conflict(writer: duckdb.DuckDBPyConnection) -> None:
    session = sample_session("s1")
    store_sample(writer, session)
    assert refusals(writer, [replace(session, started_at=session.started_at.astimezone(UTC))]) == [None]
