"""An export has the rows of the warehouse, in a folder per day, and the tools named in its README can read it."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from test_warehouse_care_events import DOSE
from test_warehouse_findings import USUAL
from warehouse_places import POSTGRES, SQLITE
from warehouse_samples import (
    BROKEN,
    BUNDLE,
    COMPLETED,
    frames_of,
    sample_run,
    sample_scoring,
    sample_session,
    sha256,
)

from pmfer.errors import QuarantineReason, WarehouseError
from pmfer.expressions import EXPRESSION_NAMES
from warehouse.address import Address
from warehouse.care_events import store_care_events
from warehouse.connection import open_reader, open_writer
from warehouse.encryption import read_parquet
from warehouse.export import EXPORTED, is_export, write_export
from warehouse.findings import accept_level, store_findings
from warehouse.publish import publish
from warehouse.quarantine import add_quarantine
from warehouse.records import AcceptedLevel, QuarantineRecord, SessionResult
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

KEY = base64.b64encode(bytes(range(32))).decode()
OWN = replace(
    BUNDLE,
    bundle_id=sha256("own card"),
    card={"name": "own", "au_phrases": [{"column": "jaw_clamped", "phrase": "jaw clamped", "region": "jaw"}]},
)
# On a day without sessions: a broken file, and one of a patient who did not consent.
TRUNCATED = replace(BROKEN, night=date(2026, 6, 3))
REFUSED = QuarantineRecord(
    night=date(2026, 6, 3),
    source_uri="2026-06-03/elm-09.mp4",
    content_sha256=None,
    session_id="elm-09-3",
    patient_id="elm-09",
    reason=QuarantineReason.NO_CONSENT,
    message="2026-06-03/elm-09.mp4: elm-09 did not consent",
    run_id="run-1",
)
DAYS = (1, 2, 4)


def with_own_phrase(frames: pl.DataFrame) -> pl.DataFrame:
    """The frames with scores of the phrase that OWN has in addition."""
    score = pl.when(pl.col("reason").is_null()).then((pl.col("au12") / 2).round(3))
    return frames.with_columns(jaw_clamped=score.cast(pl.Float32))


def result(patient: str, day: int, frames: pl.DataFrame) -> SessionResult:
    return SessionResult(sample_session(f"{patient}-{day}", patient, day), sample_scoring(frames), frames)


@pytest.fixture(scope="module", params=["file", SQLITE, POSTGRES])
def published(
    request: pytest.FixtureRequest,
    new_warehouse: Callable[[str, Path], Address],
    tmp_path_factory: pytest.TempPathFactory,
) -> Address:
    """Two patients on three days; one session is also scored by a second bundle, which has an additional phrase.

    There are a care event, a finding and an accepted level on the first day, and two files in quarantine. No test
    changes it.
    """
    address = new_warehouse(request.param, tmp_path_factory.mktemp("ward") / "data")
    with open_writer(address) as writer:
        start_run(writer, sample_run("run-1", 4))
        sessions = [result(patient, day, frames_of(patient, day)) for day in DAYS for patient in ("p01", "p02")]
        assert store_sessions(writer, BUNDLE, sessions) == 6
        finish_run(writer, "run-1", COMPLETED)
        assert store_sessions(writer, OWN, [result("p01", 2, with_own_phrase(frames_of("p01", 2)))]) == 1
        store_care_events(writer, [DOSE], "events.csv")
        store_findings(writer, [USUAL])
        accept_level(writer, AcceptedLevel("p01", "sadness", date(2026, 6, 1), "new glasses"))
        for record in (TRUNCATED, REFUSED):
            assert add_quarantine(writer, record)
        publish(writer, address)
    return address


@pytest.fixture(scope="module")
def exported(published: Address, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of all days. No test changes it."""
    folder = tmp_path_factory.mktemp("exported") / "export"
    with open_reader(published) as reader:
        write_export(reader, folder)
    return folder


def test_it_has_every_row_by_day_and_says_so(published: Address, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with open_reader(published) as reader:
        export = write_export(reader, folder)
        frames = reader.execute("FROM frames ORDER BY patient_id, started_at, scoring_id, frame_index").pl()
        summaries = reader.execute("FROM session_summary ORDER BY patient_id, started_at, scoring_id").pl()
        episodes = reader.execute("SELECT count(*) FROM episodes").fetchall()
    assert export.rows == {
        "patient_days": 6,
        "session_summary": 7,
        "frames": 280,
        "frame_extra_scores": 30,
        "episodes": episodes[0][0],
        "care_events": 1,
        "findings": 1,
        "quarantine": 2,
        "accepted_levels": 1,
        "bundles": 2,
        "bundle_phrases": 1,
    }
    assert export.days == tuple(date(2026, 6, day) for day in (1, 2, 3, 4))
    assert sorted(path.name for path in (folder / "frames").iterdir()) == [f"date=2026-06-0{day}" for day in (1, 2, 4)]
    assert [path.name for path in (folder / "care_events").iterdir()] == ["date=2026-06-01"]
    exported = pl.read_parquet(folder / "frames")
    assert exported["date"].equals(exported["session_date"].alias("date"))
    order = ["patient_id", "started_at", "scoring_id", "frame_index"]
    assert exported.drop("date").sort(order).equals(frames)
    by_pandas = pd.read_parquet(folder / "session_summary").sort_values(["patient_id", "started_at", "scoring_id"])
    assert by_pandas["happiness_share"].tolist() == summaries["happiness_share"].to_list()
    content = (folder / "manifest.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == export.manifest_sha256
    files = json.loads(content)["files"]
    assert {file["path"] for file in files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")
    }
    for file in files:
        assert hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert is_export(folder)
    dictionary = (folder / "data-dictionary.md").read_text(encoding="utf-8")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name, relation in EXPORTED.items():
        assert f" `{name}`\n" in dictionary
        assert f"| `{name}{'' if relation.days else '.parquet'}` |" in readme


def test_days_are_those_of_the_active_bundle(exported: Path) -> None:
    days = pl.read_parquet(exported / "patient_days").sort("patient_id", "date")
    assert days["date"].to_list() == [date(2026, 6, day) for day in DAYS] * 2
    assert set(days["bundle_id"]) == {BUNDLE.bundle_id}
    for day in days.iter_rows(named=True):
        frames = frames_of(day["patient_id"], day["session_date"].day)
        assert day["happiness_share"] == share_of_happiness(frames)


def share_of_happiness(frames: pl.DataFrame) -> float:
    scored = frames.filter(pl.col("reason").is_null())
    return sum(max(EXPRESSION_NAMES, key=row.__getitem__) == "happiness" for row in scored.iter_rows(named=True)) / 30


def test_an_episode_says_whose_it_is(exported: Path) -> None:
    episodes = pl.read_parquet(exported / "episodes")
    keep = ("patient_id", "session_id", "date", "bundle_id", "start_s", "end_s", "frames")
    whole = episodes.filter(pl.col("mean") == 1).select("kind", *keep).rows()
    assert whole == [("smile", "p01", "p01-4", date(2026, 6, 4), BUNDLE.bundle_id, 0.4, 1.4, 6)]
    # The session that two bundles scored with the same result has every episode once per bundle.
    twice = episodes.filter(pl.col("session_id") == "p01-2")
    by_bundle = {bundle: twice.filter(pl.col("bundle_id") == bundle) for bundle in (BUNDLE.bundle_id, OWN.bundle_id)}
    one, other = (rows.drop("bundle_id", "scoring_id") for rows in by_bundle.values())
    assert one.height > 0
    assert one.equals(other)


def test_phrases_of_the_houses_own_come_with_their_scores_and_wording(exported: Path) -> None:
    scores = pl.read_parquet(exported / "frame_extra_scores").sort("frame_index")
    expected = with_own_phrase(frames_of("p01", 2)).filter(pl.col("reason").is_null())
    assert scores["score"].to_list() == expected["jaw_clamped"].to_list()
    whose = scores.select("patient_id", "session_id", "date", "bundle_id", "phrase_key").unique().rows()
    assert whose == [("p01", "p01-2", date(2026, 6, 2), OWN.bundle_id, "jaw_clamped")]
    phrases = pl.read_parquet(exported / "bundle_phrases.parquet")
    assert phrases.select("bundle_id", "phrase_key", "phrase").rows() == [(OWN.bundle_id, "jaw_clamped", "jaw clamped")]


def test_quarantine_names_nobody_who_refused_and_no_file(exported: Path) -> None:
    rows = pl.read_parquet(exported / "quarantine")
    assert rows.drop("first_seen_at", "date").rows() == [
        (date(2026, 6, 3), "no_consent", None, None),
        (date(2026, 6, 3), "truncated", "p01", "s1"),
    ]
    assert [path.name for path in (exported / "quarantine").iterdir()] == ["date=2026-06-03"]
    for path in exported.rglob("*.parquet"):
        assert "elm-09" not in str(pl.read_parquet(path).rows())
        assert ".mp4" not in str(pl.read_parquet(path).rows())


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # DuckDB's own use of pandas
@pytest.mark.parametrize("published", ["file"], indirect=True)
def test_what_its_readme_shows_runs(published: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_reader(published) as reader:
        write_export(reader, tmp_path / "plain")
        write_export(reader, tmp_path / "encrypted", key=KEY)
    for name in ("plain", "encrypted"):
        monkeypatch.chdir(tmp_path / name)
        text = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        names: dict[str, pl.DataFrame] = {}
        exec(text.split("```python\n")[1].split("```")[0].replace("'KEY'", f"'{KEY}'"), names)
        assert len(names["summaries"]) == 7


def test_only_the_days_asked_for_are_in_it_and_all_is_private(published: Address, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with open_reader(published) as reader:
        export = write_export(reader, folder, first=date(2026, 6, 2), last=date(2026, 6, 3))
    assert export.days == (date(2026, 6, 2), date(2026, 6, 3))
    by_day = {name: export.rows[name] for name in ("patient_days", "frames", "care_events", "findings", "quarantine")}
    assert by_day == {"patient_days": 2, "frames": 120, "care_events": 0, "findings": 0, "quarantine": 2}
    assert export.rows["bundles"] == 2
    assert not (folder / "care_events").exists()
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))} == {0}


def test_with_a_key_nothing_can_be_read_without_it(published: Address, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with open_reader(published) as reader:
        write_export(reader, folder, key=KEY)
    files = list(folder.rglob("*.parquet"))
    # days, summaries, frames and episodes of three days each, five of one day, and three whole ones
    assert len(files) == 4 * 3 + 4 + 3
    for path in files:
        assert b"p01" not in path.read_bytes()
        with pytest.raises(pl.exceptions.PolarsError):
            pl.read_parquet(path)
    day = folder / "session_summary" / "date=2026-06-01" / "data.parquet"
    assert read_parquet(day, KEY)["patient_id"].to_list() == ["p01", "p02"]
    with pytest.raises(WarehouseError):
        read_parquet(day, base64.b64encode(bytes(32)).decode())
