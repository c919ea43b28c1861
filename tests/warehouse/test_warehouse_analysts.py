"""Every query, line of Python and notebook cell for analysts runs, and its results agree with the frames."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from warehouse_copies import copy_warehouse
from warehouse_places import POSTGRES, SQLITE
from warehouse_samples import (
    BROKEN,
    BUNDLE,
    COMPLETED,
    PROVENANCE,
    SUMMER_TIME,
    frames_of,
    sample_run,
    sample_scoring,
    sample_session,
    sha256,
)

from pmfer.expressions import EXPRESSION_NAMES
from warehouse.address import Address, FileAddress
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.connection import open_reader, open_writer
from warehouse.findings import accept_level, store_findings, undo_level
from warehouse.publish import publish
from warehouse.quarantine import add_quarantine
from warehouse.records import AcceptedLevel, FindingRecord, SessionResult, Situation
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

DOCS = Path(__file__).parents[2] / "docs"
DAYS = (1, 4, 8, 11, 14)
PATIENTS = ("p01", "p02")
OLDER = replace(BUNDLE, bundle_id=sha256("older card"), name="older")
WITH_OWN = replace(
    BUNDLE,
    card={"name": "sample", "au_phrases": [{"column": "jaw_clamped", "text": "jaw clamped", "region": "jaw"}]},
)
WARDS = {"p01": "3b", "p02": "2a"}
NOTHING_COMPARED = FindingRecord(
    patient_id="p02",
    session_date=date(2026, 6, 14),
    measure="sadness",
    bundle_id=BUNDLE.bundle_id,
    options_sha256=PROVENANCE.options_sha256,
    kind="headline",
    state="insufficient",
    stage="not_compared",
    code_version="0.1",
)
DOSE = CareEvent("p01", CareEventKind.MEDICATION, "paracetamol", datetime(2026, 6, 9, 12, tzinfo=SUMMER_TIME))
# Four a day for a week, so that many lie within two days of a session.
MANY_DOSES = [
    CareEvent("p02", CareEventKind.MEDICATION, "ibuprofen", datetime(2026, 6, day, hour, tzinfo=SUMMER_TIME))
    for day in range(7, 15)
    for hour in (6, 10, 16, 22)
]


def blocks(language: str) -> dict[str, str]:
    """The code blocks of docs/analysts.md in one language, by the heading above."""
    text = (DOCS / "analysts.md").read_text(encoding="utf-8")
    found = {}
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        for block in re.findall(rf"^```{language}\n(.*?)^```", body, re.MULTILINE | re.DOTALL):
            assert heading not in found, heading
            found[heading] = block
    return found


QUERIES = blocks("sql")


def result(patient: str, day: int, run_id: str, frames: pl.DataFrame) -> SessionResult:
    """A session. From the 4th on it is during care, and each patient is on a ward of their own."""
    situation = Situation.DURING_CARE if day >= 4 else Situation.AT_REST
    session = replace(sample_session(f"{patient}-{day}", patient, day), ward=WARDS[patient], situation=situation)
    return SessionResult(session, sample_scoring(frames, run_id=run_id), frames)


def flagged(patient: str, measure: str, day: int, opened: int, **changed: Any) -> FindingRecord:
    """What the report of a day says about a flag; if `closed` is given, the flag closed on that day."""
    stage = "back" if "closed_on" in changed else "new" if day == opened else "open"
    finding = FindingRecord(
        patient_id=patient,
        session_date=date(2026, 6, day),
        measure=measure,
        bundle_id=BUNDLE.bundle_id,
        options_sha256=PROVENANCE.options_sha256,
        kind="headline",
        state="usual" if stage == "back" else "higher",
        stage=stage,
        code_version="0.1",
        rules=() if stage == "back" else ("ewma",),
        value=0.5,
        direction="higher",
        opened_on=date(2026, 6, opened),
        onset_from=date(2026, 6, opened),
        days_open=1 + DAYS.index(day) - DAYS.index(opened),
    )
    return replace(finding, **changed)


def _store_findings(writer: duckdb.DuckDBPyConnection) -> None:
    """A flag that closed on the 14th, one that a person accepted that day, and one that opened that day."""
    days = {
        4: [flagged("p01", "pain_activity", 4, 4)],
        8: [flagged("p01", "pain_activity", 8, 4), flagged("p02", "sadness", 8, 8)],
        11: [flagged("p01", "pain_activity", 11, 4), flagged("p02", "sadness", 11, 8)],
        14: [
            flagged("p01", "pain_activity", 14, 4, closed_on=date(2026, 6, 14)),
            flagged("p02", "anger", 14, 14),
            replace(NOTHING_COMPARED, stage="accepted", lack="no_baseline", accepted_on=date(2026, 6, 8)),
        ],
    }
    for findings in days.values():
        store_findings(writer, findings)
    accept_level(writer, AcceptedLevel("p02", "sadness", date(2026, 6, 8), "a new dose"))
    accept_level(writer, AcceptedLevel("p01", "anger", date(2026, 6, 4), "by mistake"))
    undo_level(writer, "p01", "anger")


@pytest.fixture(scope="module", params=["file", SQLITE, POSTGRES])
def published(
    request: pytest.FixtureRequest,
    new_warehouse: Callable[[str, Path], Address],
    tmp_path_factory: pytest.TempPathFactory,
) -> Address:
    """Two patients over two weeks, the first day also scored by an older bundle; a dose, an additional phrase, flags.

    No test changes it.
    """
    address = new_warehouse(request.param, tmp_path_factory.mktemp("ward") / "data")
    with open_writer(address) as writer:
        _store_two_weeks(writer)
        publish(writer, address)
    return address


def _store_two_weeks(writer: duckdb.DuckDBPyConnection) -> None:
    start_run(writer, replace(sample_run("run-0"), bundle_id=OLDER.bundle_id))
    store_sessions(writer, OLDER, [result(patient, 1, "run-0", frames_of(patient, 1)) for patient in PATIENTS])
    finish_run(writer, "run-0", COMPLETED)
    start_run(writer, sample_run("run-1", 14))
    jaw_clamped = pl.when(pl.col("reason").is_null()).then(pl.lit(0.25, pl.Float32))
    results = [
        result(patient, day, "run-1", frames_of(patient, day).with_columns(jaw_clamped=jaw_clamped))
        for day in DAYS
        for patient in PATIENTS
    ]
    assert store_sessions(writer, WITH_OWN, results) == 10
    finish_run(writer, "run-1", COMPLETED)
    store_care_events(writer, [DOSE, *MANY_DOSES], "events.csv")
    add_quarantine(writer, BROKEN)
    _store_findings(writer)


@pytest.fixture(scope="module")
def answers(published: Address) -> Mapping[str, pl.DataFrame]:
    """The answer to every query of the document, by its heading."""
    with open_reader(published) as reader:
        return {heading: reader.execute(text).pl() for heading, text in QUERIES.items()}


def scored(patient: str, day: int) -> pl.DataFrame:
    return frames_of(patient, day).filter(pl.col("reason").is_null())


def leading(frames: pl.DataFrame) -> list[str]:
    """The most probable expression of each frame."""
    return [max(EXPRESSION_NAMES, key=row.__getitem__) for row in frames.iter_rows(named=True)]


def pain(frames: pl.DataFrame) -> pl.Series:
    """Pain-related facial activity of each frame, as computed by pmfer.pain."""
    return frames["pain_activity"].cast(pl.Float64).round(3)


def test_every_query_has_an_answer(answers: Mapping[str, pl.DataFrame]) -> None:
    assert len(answers) >= 20
    assert {heading for heading, rows in answers.items() if rows.is_empty()} == set()


def test_every_answer_is_compared_with_what_is_known() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [heading for heading in QUERIES if f'answers["{heading}"]' not in tests] == []


def test_first_questions(answers: Mapping[str, pl.DataFrame]) -> None:
    days = answers["Which days are there of a patient, and how much could be scored?"]
    assert days.rows() == [(date(2026, 6, day), 1, 0.1, 75) for day in DAYS]
    sessions = answers["When was each session, and what did it show?"]
    assert sessions.select("local_time", "session_id", "most_common_obstacle").rows() == [
        (datetime(2026, 6, day, 9), f"p01-{day}", "no_face") for day in DAYS
    ]
    assert sessions["pain_activity"].to_list() == pytest.approx(
        [pain(scored("p01", day)).mean() for day in DAYS], abs=0.00051
    )
    moments = answers["What did the face show, moment by moment?"]
    first = scored("p01", 14).head(10)
    assert moments["leading_expression"].to_list() == leading(first)
    highest = [max(row[name] for name in EXPRESSION_NAMES) for row in first.iter_rows(named=True)]
    assert moments["confidence"].to_list() == pytest.approx(highest, abs=1e-6)
    assert moments["local_time"].to_list()[1] == datetime(2026, 6, 14, 9, 0, 0, 300_000)
    quality = answers["How good is the data of each patient?"]
    assert quality.select("patient_id", "sessions", "frames_scored_percent", "most_common_obstacle").rows() == [
        ("p01", 5, 75.0, "no_face"),
        ("p02", 5, 75.0, "no_face"),
    ]
    for row in quality.iter_rows(named=True):
        frames = pl.concat([frames_of(row["patient_id"], day) for day in DAYS])
        assert row["brightness"] == pytest.approx(frames["brightness"].cast(pl.Float64).median(), abs=0.0051)
    quarantined = answers["What was quarantined, and why?"]
    assert quarantined.rows() == [(date(2026, 6, 1), "truncated", 1, BROKEN.message)]
    expressions = answers["How often was each expression the most probable one?"]
    for row in expressions.iter_rows(named=True):
        frames = pl.concat([scored(row["patient_id"], day) for day in DAYS])
        assert row["frames_scored"] == 150
        for name in ("neutral", "happiness", "sadness", "anger"):
            assert row[f"{name}_percent"] == pytest.approx(100 * leading(frames).count(name) / 150, abs=0.05)
    night = answers["What did the latest night look like?"].row(0, named=True)
    assert (night["night"], night["sessions"], night["patients"]) == (date(2026, 6, 14), 2, 2)
    models = answers["Which model and which software made these scores?"]
    assert sorted(models.select("name", "sessions").rows()) == [("older", 2), ("sample", 10)]
    assert answers["What does a column mean?"]["comment"].null_count() == 0


def test_episodes_phrases_and_events(answers: Mapping[str, pl.DataFrame]) -> None:
    smiles = answers["When did a patient smile, and for how long?"]
    on_the_4th = smiles.filter((pl.col("session_id") == "p01-4") & (pl.col("peak") == 1))
    assert on_the_4th.select("at", "peak").rows() == [("00:00", 1.0)]
    assert on_the_4th["seconds"][0] >= 1
    assert answers["Which phrases does the active bundle know?"]["phrase_key"].to_list() == ["jaw_clamped"]
    own = answers["What did phrases of our own score?"]
    assert own["mean_score"].unique().to_list() == [0.25]
    spread = answers["How are the alignments with a phrase spread, day by day?"]
    for row in spread.iter_rows(named=True):
        values = scored("p01", row["session_date"].day)["au04"].cast(pl.Float64)
        expected = [values.quantile(q, "linear") for q in (0.1, 0.5, 0.9)]
        assert [row["p10"], row["median"], row["p90"]] == pytest.approx(expected, abs=0.0051)
    hours = answers["At which hours is a patient most expressive?"]
    assert hours.select("patient_id", "local_hour", "sessions").rows() == [("p01", 9, 5), ("p02", 9, 5)]
    doses = answers["What was pain-related facial activity like before and after a dose?"]
    # The other patient has many doses, but each of the three sessions counts once, with the nearest dose.
    assert doses.filter(pl.col("patient_id") == "p02").select("event_date", "sessions").rows() == [
        (date(2026, 6, day), 1) for day in (8, 11, 14)
    ]
    (dose,) = doses.filter(pl.col("patient_id") == "p01").iter_rows(named=True)
    assert (dose["item"], dose["sessions"]) == ("paracetamol", 2)
    assert dose["before"] == pytest.approx(pain(scored("p01", 8)).mean(), abs=1e-6)
    assert dose["after"] == pytest.approx(pain(scored("p01", 11)).mean(), abs=1e-6)


def test_findings_and_flags(answers: Mapping[str, pl.DataFrame]) -> None:
    def day(number: int) -> date:
        return date(2026, 6, number)

    assert answers["Who was flagged when, for how long, and what came of it?"].rows() == [
        ("p01", "pain_activity", "higher", day(4), day(11), day(14), 8, "back"),
        ("p02", "sadness", "higher", day(8), day(11), day(14), 4, "accepted"),
        ("p02", "anger", "higher", day(14), day(14), None, 1, "open"),
    ]
    assert answers["Whose flag is open now, the longest first?"].rows() == [
        ("p02", "anger", "higher", day(14), 1, 1, "open")
    ]
    (said,) = answers["What did the report of a day say, and why nothing?"].iter_rows(named=True)
    assert (said["measure"], said["stage"], said["rules"], said["lack"]) == ("pain_activity", "open", ["ewma"], None)
    levels = answers["Which new levels did people accept, and why?"]
    assert levels.select("patient_id", "measure", "from_date", "note", "counts").rows() == [
        ("p01", "anger", day(4), "by mistake", False),
        ("p02", "sadness", day(8), "a new dose", True),
    ]
    assert answers["How long do flags last, and how do they end?"].rows() == [
        ("anger", "open", 1, 1),
        ("pain_activity", "back", 1, 3),
        ("sadness", "accepted", 1, 2),
    ]
    assert answers["How many flags opened on each ward?"].rows() == [("2a", 2, 1), ("3b", 1, 1)]
    situations = answers["What is pain-related facial activity like at rest, and during care?"]
    assert situations.select("patient_id", "situation", "sessions").rows() == [
        ("p01", "at_rest", 1),
        ("p01", "during_care", 4),
        ("p02", "at_rest", 1),
        ("p02", "during_care", 4),
    ]
    assert situations["pain"][0] == pytest.approx(pain(scored("p01", 1)).mean(), abs=0.0006)


def test_wards_count_flags_of_an_earlier_bundle_and_hours_are_not_rounded(
    empty_file: FileAddress, tmp_path: Path
) -> None:
    address = FileAddress(tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb")
    copy_warehouse(empty_file, address)
    with open_writer(address) as writer:
        start_run(writer, replace(sample_run("run-0"), bundle_id=OLDER.bundle_id))
        store_sessions(writer, OLDER, [result("p01", 1, "run-0", frames_of("p01", 1))])
        finish_run(writer, "run-0", COMPLETED)
        store_findings(writer, [replace(flagged("p01", "anger", 1, 1, days_open=1), bundle_id=OLDER.bundle_id)])
        start_run(writer, sample_run("run-1", 2))
        late, early = (result("p01", day, "run-1", frames_of("p01", day)) for day in (2, 3))
        at_night = {
            2: datetime(2026, 6, 2, 23, 55, tzinfo=SUMMER_TIME),
            3: datetime(2026, 6, 3, 0, 10, tzinfo=SUMMER_TIME),
        }
        moved = [
            replace(one, session=replace(one.session, started_at=at_night[one.session.session_date.day]))
            for one in (late, early)
        ]
        store_sessions(writer, BUNDLE, moved)
        finish_run(writer, "run-1", COMPLETED)
        assert writer.sql(QUERIES["How many flags opened on each ward?"]).fetchall() == [("3b", 1, 1)]
        between = writer.sql(QUERIES["How does each session differ from the one before?"]).pl()
        assert between["hours_between"].to_list() == [None, 0.3]


def test_a_day_that_was_scored_again_has_one_answer_per_measure_and_patient(
    empty_file: FileAddress, tmp_path: Path
) -> None:
    address = FileAddress(tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb")
    copy_warehouse(empty_file, address)
    with open_writer(address) as writer:
        for number, (bundle, state) in enumerate([(OLDER, "higher"), (BUNDLE, "usual")]):
            run = f"run-{number}"
            start_run(writer, replace(sample_run(run, 11), bundle_id=bundle.bundle_id))
            # The later day has no smile.
            results = [result("p01", day, run, frames_of("p01", day)) for day in (4, 11)]
            store_sessions(writer, bundle, results)
            finish_run(writer, run, COMPLETED)
            store_findings(writer, [replace(flagged("p01", "anger", 11, 8), bundle_id=bundle.bundle_id, state=state)])
        (said,) = writer.sql(QUERIES["What did the report of a day say, and why nothing?"]).pl().iter_rows(named=True)
        assert said["state"] == "usual"
        assert len(writer.sql(QUERIES["Who smiled less this week than the week before?"]).fetchall()) == 1


def test_change_over_time(answers: Mapping[str, pl.DataFrame]) -> None:
    shares = {
        (patient, day): sum(
            max(EXPRESSION_NAMES, key=row.__getitem__) == "happiness"
            for row in scored(patient, day).iter_rows(named=True)
        )
        / 30
        for patient in PATIENTS
        for day in DAYS
    }
    # The latest day is the 14th, so the 8th begins this week and the 1st the one before.
    less = {
        patient
        for patient in PATIENTS
        if sum(shares[patient, day] for day in DAYS[2:]) / 3 < sum(shares[patient, day] for day in DAYS[:2]) / 2
    }
    assert set(answers["Who smiled less this week than the week before?"]["patient_id"]) == less
    week = answers["What does a moving week look like?"].filter(pl.col("patient_id") == "p01")
    assert week["days"].to_list() == [1, 2, 2, 2, 3]
    last_week = pl.Series([pain(scored("p01", day)).mean() for day in DAYS[2:]])
    assert week["week_median"][-1] == pytest.approx(last_week.median(), abs=1e-6)
    unusual = answers["What is unusual for this patient today?"]
    assert unusual["days"].unique().to_list() == [4]
    assert unusual["deviations"].abs().is_sorted(descending=True)
    units = [row for row in unusual.iter_rows(named=True) if row["measure"].startswith("au")]
    assert units
    for row in units:
        means = [scored("p01", day)[row["measure"].removesuffix("_mean")].cast(pl.Float64).mean() for day in DAYS]
        assert row["usual"] == pytest.approx(pl.Series(means[:4]).median(), abs=0.001)
        assert row["today"] == pytest.approx(means[4], abs=0.001)
    sessions = answers["How does each session differ from the one before?"].filter(pl.col("patient_id") == "p02")
    assert sessions["hours_between"].to_list() == [None, 72, 96, 72, 72]
    ranks = answers["Where does each day stand in the patient's own history?"].filter(pl.col("patient_id") == "p02")
    others = [shares["p02", day] for day in DAYS]
    assert ranks["percentile"].to_list() == [100 * sum(other < share for other in others) / 4 for share in others]
    gaps = answers["On which days is nothing known of a patient?"]
    assert gaps["days"].to_list() == [2, 3, 2, 2] * 2
    assert gaps.row(0) == ("p01", date(2026, 6, 2), date(2026, 6, 3), 2)
    quiet = answers["What was the longest run of quiet days?"]
    expressive = [1 - scored("p01", day)["neutral"].cast(pl.Float64).mean() for day in DAYS]
    below = "".join("q" if value < sorted(expressive)[2] else " " for value in expressive)
    assert quiet["days"][0] == max(map(len, below.split()))


def test_frame_by_frame(answers: Mapping[str, pl.DataFrame]) -> None:
    brows = answers["When were the brows lowered most, compared with the patient's own average?"]
    assert brows["above_own_mean"].is_sorted(descending=True)
    assert brows["session_id"].n_unique() == brows.height == 5
    top = brows.row(0, named=True)
    of_top = [scored(top["patient_id"], day)["au04"].cast(pl.Float64) for day in DAYS]
    assert top["above_own_mean"] == pytest.approx(top["au04"] - pl.concat(of_top).mean(), abs=0.011)
    follow = answers["Which expressions follow each other?"]
    assert follow["times"].is_sorted(descending=True)
    pairs = Counter(pair for day in DAYS for pair in pairwise(leading(scored("p01", day))) if pair[0] != pair[1])
    assert {(row[0], row[1]): row[2] for row in follow.rows()}.items() <= pairs.items()
    assert follow["times"][0] == max(pairs.values())
    assert follow.filter(pl.col("leading_expression") == pl.col("next_expression")).is_empty()
    together = answers["Which action units rise and fall together?"].row(0, named=True)
    frames = pl.concat([scored("p01", day) for day in DAYS]).cast({"au06": pl.Float64, "au12": pl.Float64})
    assert together["frames"] == 150
    assert together["cheeks_and_lip_corners"] == pytest.approx(
        frames.select(pl.corr("au06", "au12")).item(), abs=0.0051
    )
    (bundles,) = answers["How differently do two bundles score the same frames?"].iter_rows(named=True)
    assert (bundles["frames"], bundles["au12_difference"], bundles["same_expression_share"]) == (60, 0, 1)
    written = answers["What was written, and by whom?"]
    assert written.filter(pl.col("action") == "session_stored")["entries"].to_list() == [12]


@pytest.mark.parametrize("published", ["file"], indirect=True)
def test_the_lines_of_python_run(published: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(published, FileAddress)
    monkeypatch.chdir(published.path.parents[1])  # where the guide has the reader start, beside data/
    names: dict[str, Any] = {}
    exec(blocks("python")["Ways to ask"], names)
    assert names["days"].height == 10
    assert list(names["nights"]["sessions"]) == [2] * 5


@pytest.mark.parametrize("published", ["file"], indirect=True)
def test_the_notebook_runs(published: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(published, FileAddress)
    monkeypatch.setenv("PMFER_SNAPSHOT", str(published.published))
    monkeypatch.setenv("MPLBACKEND", "Agg")  # draws without a screen
    notebook = json.loads((DOCS / "analysts.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells), "outputs are not kept"
    names: dict[str, Any] = {}
    for cell in cells:
        exec("".join(cell["source"]), names)
    assert names["patient"] == "p01"
    assert names["trend"].height == 14
    assert names["gaps"].height == 9
    assert names["unusual"].filter(pl.col("measure") == "pain_activity_mean")["today"][0] == pytest.approx(
        pain(scored("p01", 14)).mean(), abs=1e-6
    )
    assert names["evidence"]["session_id"].unique().to_list() == ["p01-14"]
    (line,) = names["figure"].axes[0].get_lines()
    drawn = dict(zip(names["trend"]["session_date"].to_list(), line.get_ydata(), strict=True))
    assert drawn[date(2026, 6, 14)] == pytest.approx(pain(scored("p01", 14)).mean(), abs=1e-6)
    assert math.isnan(drawn[date(2026, 6, 13)])
    bars = [bar.get_height() for bar in names["shares"].axes[0].patches]
    assert len(bars) == 8 * len(DAYS)
    assert sum(bars) == pytest.approx(len(DAYS))
    assert names["plt"].get_fignums()
    names["plt"].close("all")
