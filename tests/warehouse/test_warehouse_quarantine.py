"""A source is in quarantine once, with its latest reason, until it is scored or lifted."""

from dataclasses import replace

import duckdb
from warehouse_samples import (
    BROKEN,
    fingerprint,
    sample_session,
    store_sample,
)

from pmfer.errors import QuarantineReason
from warehouse import quarantine
from warehouse.quarantine import add_quarantine, lift_quarantine


def test_a_source_has_one_row_in_quarantine_and_loses_it_when_scored(writer: duckdb.DuckDBPyConnection) -> None:
    assert add_quarantine(writer, replace(BROKEN, reason=QuarantineReason.SIDECAR_MISSING))
    assert add_quarantine(writer, BROKEN)
    before = fingerprint(writer)
    assert not add_quarantine(writer, replace(BROKEN, run_id="run-2"))
    assert fingerprint(writer) == before
    row = quarantine.of_night(writer, BROKEN.night).row(0, named=True)
    assert (row["reason"], row["run_id"]) == ("truncated", "run-1")
    store_sample(writer, sample_session("s1"))
    assert quarantine.between(writer).is_empty()


def test_quarantine_is_lifted_by_hand_once(writer: duckdb.DuckDBPyConnection) -> None:
    add_quarantine(writer, BROKEN)
    assert quarantine.between(writer)["quarantine_id"].to_list() == [BROKEN.quarantine_id]
    assert lift_quarantine(writer, BROKEN.source_uri)
    assert not lift_quarantine(writer, BROKEN.source_uri)
    assert quarantine.between(writer).is_empty()
