"""Patients with a known truth for sample reports. `make preview` renders them, and tests of the reports use them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from pmfer.errors import FrameReason, QuarantineReason
from pmfer.pain import PAIN_COLUMNS
from reports.data import CarriedFinding, ReportData, ReportReader
from reports.findings import State
from reports.measures import DEFAULT_THRESHOLDS, Thresholds
from reports.patient import PatientReport, charts_of_patients, compare_patient, with_evidence
from reports.ward import WardReport, compare_ward
from tools.sample_ward import BUNDLE, CALM, HURTING, OLD_BUNDLE, STEADY, TODAY, WINTER_TIME, SampleWard
from warehouse.care_events import CareEventKind
from warehouse.records import AcceptedLevel


def stable(ward: SampleWard, patient_id: str = "p01") -> None:
    """Nine weeks without a change."""
    ward.history(patient_id, CALM, days=62)
    ward.record(patient_id, TODAY, CALM, CALM)


def pain_rising(ward: SampleWard, patient_id: str = "p02") -> None:
    """Two steady weeks, then pain-related activity rises within a week to three times the usual, and smiling falls."""
    ward.history(patient_id, STEADY, days=14, end=TODAY - timedelta(days=6))
    for step in range(7):
        face = replace(STEADY, pain=0.15 + 0.3 * step / 6, smiling=max(0.02, 0.15 - 0.13 * step / 6))
        faces = [face.varied(ward.dice(patient_id)) for _ in range(4)]
        ward.record(patient_id, TODAY - timedelta(days=6 - step), *faces, hours=(8.25, 11.5, 15.75, 18.5))
    ward.care(patient_id, CareEventKind.MEDICATION, "ibuprofen", *range(19, 6, -1), amount=400, unit="mg")
    ward.care(patient_id, CareEventKind.MEDICATION, "ibuprofen", *range(6, -1, -1), amount=200, unit="mg")
    ward.care(patient_id, CareEventKind.THERAPY, "physiotherapy", 40, 33, 26, 19, 12, 5, note="standing, 20 minutes")
    ward.care(patient_id, CareEventKind.TRANSFER, "Ward 3, room 12", 9)


def flattening(ward: SampleWard, patient_id: str = "p03") -> None:
    """A lively face that becomes still over six days, and stays so for nine more."""
    lively = replace(CALM, smiling=0.3, sadness=0.06, spread=0.01)
    ward.history(patient_id, lively, days=40, end=TODAY - timedelta(days=14))
    for step in range(15):
        fading = min(step, 5) / 5
        face = replace(lively, smiling=0.3 - 0.29 * fading, sadness=0.06 - 0.05 * fading, anger=0.0)
        ward.record(patient_id, TODAY - timedelta(days=14 - step), face.varied(ward.dice(patient_id)))


def coming_back(ward: SampleWard, patient_id: str = "p12") -> None:
    """More pain-related activity for six days, and the usual level for the last nine."""
    ward.history(patient_id, CALM, days=30, end=TODAY - timedelta(days=14))
    ward.history(patient_id, replace(CALM, pain=0.25), days=6, end=TODAY - timedelta(days=8))
    ward.history(patient_id, CALM, days=8)
    ward.record(patient_id, TODAY, CALM, CALM)


def new_level(ward: SampleWard, patient_id: str = "p13") -> None:
    """Less smiling for two weeks, which a person accepted as the new usual level; see ACCEPTED."""
    ward.history(patient_id, CALM, days=30, end=TODAY - timedelta(days=14))
    ward.history(patient_id, replace(CALM, smiling=0.05), days=14)
    ward.record(patient_id, TODAY, *[replace(CALM, smiling=0.05)] * 2)


def carried_over(ward: SampleWard, patient_id: str = "p14") -> None:
    """Less smiling under an older bundle, and three days with the present one; see CARRIED."""
    ward.bundle = OLD_BUNDLE
    ward.history(patient_id, CALM, days=20, end=TODAY - timedelta(days=8))
    ward.history(patient_id, replace(CALM, smiling=0.03), days=5, end=TODAY - timedelta(days=3))
    ward.bundle = BUNDLE
    ward.history(patient_id, replace(CALM, smiling=0.03), days=3)
    ward.record(patient_id, TODAY, *[replace(CALM, smiling=0.03)] * 2)


def cut_short(ward: SampleWard, patient_id: str = "p15") -> None:
    """Three steady weeks, then a day with an empty, a truncated and a too short recording."""
    ward.history(patient_id, CALM)
    ward.record(patient_id, TODAY, replace(CALM, frames=22, reasons=(None,)))
    ward.quarantine(patient_id, f"{patient_id}-{TODAY}-02", QuarantineReason.EMPTY_FILE)
    ward.quarantine(patient_id, f"{patient_id}-{TODAY}-03", QuarantineReason.TRUNCATED)


def little_seen(ward: SampleWard, patient_id: str = "p16") -> None:
    """Three steady weeks, then a similar day with little more than half a minute of the face."""
    ward.history(patient_id, CALM)
    ward.record(patient_id, TODAY, replace(CALM, frames=40))


def livelier(ward: SampleWard, patient_id: str = "p17") -> None:
    """Three steady weeks, then a day with much more smiling, which raises no flag."""
    ward.history(patient_id, CALM)
    ward.record(patient_id, TODAY, *[replace(CALM, smiling=0.43)] * 2)


def first_session(ward: SampleWard, patient_id: str = "p04") -> None:
    """One session, and nothing before it."""
    ward.record(patient_id, TODAY, STEADY, hours=[9.5])


def all_set_aside(ward: SampleWard, patient_id: str = "p05") -> None:
    """Two steady weeks, then a day without any usable session."""
    ward.history(patient_id, CALM, days=14)
    ward.quarantine(patient_id, f"{patient_id}-{TODAY}-01", QuarantineReason.TRUNCATED)
    ward.quarantine(patient_id, f"{patient_id}-{TODAY}-02", QuarantineReason.EMPTY_FILE)
    ward.quarantine(patient_id, f"{patient_id}-{TODAY}-03", QuarantineReason.NO_CONSENT)


def week_away(ward: SampleWard, patient_id: str = "p06") -> None:
    """A week without recordings, a day that is too dark to score, and a usual day."""
    ward.history(patient_id, STEADY, days=14, end=TODAY - timedelta(days=11))
    ward.history(patient_id, STEADY, days=2, end=TODAY - timedelta(days=1))
    dark = replace(STEADY, reasons=("too_dark",) * 5 + ("no_face",) * 4 + (None,))
    ward.record(patient_id, TODAY - timedelta(days=1), dark)
    ward.record(patient_id, TODAY, STEADY, dark)


def first_day(ward: SampleWard, patient_id: str = "p10") -> None:
    """Three sessions on the very first day."""
    ward.record(patient_id, TODAY, STEADY, STEADY, HURTING)


def new_model(ward: SampleWard, patient_id: str = "p11") -> None:
    """Two weeks with an older bundle, then ten days with the present one."""
    ward.bundle = OLD_BUNDLE
    ward.history(patient_id, replace(STEADY, pain=0.5), days=14, end=TODAY - timedelta(days=10))
    ward.bundle = BUNDLE
    ward.history(patient_id, STEADY, days=10)
    ward.record(patient_id, TODAY, STEADY, HURTING)


def crowded(ward: SampleWard, patient_id: str = "p07", sessions: int = 12) -> None:
    """A steady week and a half, then many sessions in one day, one of them too dark and one a copy."""
    ward.history(patient_id, STEADY, days=10)
    faces = [
        replace(STEADY, pain=0.08 + 0.14 * i / sessions, smiling=0.2 - 0.1 * i / sessions) for i in range(sessions)
    ]
    faces[3] = replace(STEADY, reasons=("too_dark",) * 9 + (None,))
    ward.record(patient_id, TODAY, *faces)
    ward.quarantine(patient_id, f"{patient_id}-{TODAY}-99", QuarantineReason.DUPLICATE_CONTENT)


def everything_changed(ward: SampleWard, patient_id: str = "p08-a-longer-pseudonym") -> None:
    """The fullest report: all measures changed, many sessions, every kind of problem, and a long name."""
    ward.history(patient_id, STEADY, days=10)
    other = replace(STEADY, smiling=0.02, sadness=0.3, fear=0.2, anger=0.25, pain=0.5, warning="end of file")
    other = replace(other, reasons=(None,) * 6 + tuple(FrameReason))
    faces = [other.varied(ward.dice(patient_id)) for _ in range(11)]
    ward.record(patient_id, TODAY, *faces, replace(STEADY, frames=20))
    for number in range(9):
        ward.quarantine(patient_id, f"{patient_id}-{TODAY}-{90 + number}", QuarantineReason.DUPLICATE_CONTENT)


LONG_ID = "Wilhelmina-von-und-zu-" + "W" * 42  # 64 characters, as many as an id may have
MARKUP = "<script>alert(1)</script><img src=http://example.org/x.png><style>*{display:none}</style>{{ 7 * 7 }}{0}%s"


def hostile(ward: SampleWard, patient_id: str = LONG_ID) -> None:
    """Identifiers of maximum length; files and care events whose text is markup, very long, or in another script."""
    for back in range(8, -1, -1):
        face = HURTING if back == 0 else STEADY
        ward.record(patient_id, TODAY - timedelta(days=back), face, session_id=f"{back}" + "M" * 63)
    ward.quarantine(patient_id, "صباح\x07\U0001f3a5", QuarantineReason.EMPTY_FILE)
    ward.quarantine(patient_id, MARKUP * 2, QuarantineReason.NOT_A_VIDEO)
    ward.care(patient_id, CareEventKind.OTHER, MARKUP, 3, note="W" * 500)
    ward.care(patient_id, CareEventKind.CARE, "W" * 200, 5, amount=1e9, unit="W" * 20, note="\x1b[31m\u202egnidaer")
    ward.care(patient_id, CareEventKind.MEDICATION, "ايبوبروفين", 2, amount=400, unit="ملغ", note="\U0001f48a 日本 קצר")
    for number in range(4):
        ward.care(patient_id, CareEventKind.THERAPY, f"therapy {number}", number)


# The function that records each patient.
SAMPLES: dict[str, Callable[[SampleWard, str], None]] = {
    "p01": stable,
    "p02": pain_rising,
    "p03": flattening,
    "p04": first_session,
    "p05": all_set_aside,
    "p06": week_away,
    "p07": crowded,
    "p08-a-longer-pseudonym": everything_changed,
    LONG_ID: hostile,
    "p10": first_day,
    "p11": new_model,
    "p12": coming_back,
    "p13": new_level,
    "p14": carried_over,
    "p15": cut_short,
    "p16": little_seen,
    "p17": livelier,
}

# Accepted levels and the flags of an earlier model, which are not stored with the samples.
ACCEPTED: Mapping[str, Mapping[str, AcceptedLevel]] = {
    "p13": {
        measure: AcceptedLevel("p13", measure, TODAY - timedelta(days=14), "new medication, see the round of 9 March")
        for measure in ("smiling", "expressivity")
    }
}
CARRIED = (
    CarriedFinding(
        *("p14", "smiling", State.LOWER),
        opened=TODAY - timedelta(days=7),
        onset=TODAY - timedelta(days=8),
        last_told=TODAY - timedelta(days=4),
    ),
)


def store_samples(connection: duckdb.DuckDBPyConnection) -> None:
    """Store every sample, and a quarantined file whose patient is unknown."""
    ward = SampleWard(connection)
    with ward.together():
        for patient_id, sample in SAMPLES.items():
            sample(ward, patient_id)
    ward.quarantine(None, None, QuarantineReason.SIDECAR_MISSING)


def with_history(data: ReportData) -> ReportData:
    """The data, with the entries of ACCEPTED and CARRIED added."""
    carried = tuple(flag for flag in CARRIED if flag.patient_id in data.patients)
    return replace(data, levels=ACCEPTED, carried=carried)


def compare_alone(
    data: ReportData, patient_id: str, day: date = TODAY, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> PatientReport:
    """The report of one patient, charted without other patients, and without evidence."""
    charted = charts_of_patients({patient_id: data}, day, thresholds)[patient_id]
    return compare_patient(data, patient_id, day, thresholds, charted)


def read_report(reader: ReportReader, patient_id: str, day: date = TODAY) -> PatientReport:
    """Read the data of one patient and make the report."""
    data = reader.patient(patient_id, day, DEFAULT_THRESHOLDS.trend_days)
    return with_evidence(reader, compare_alone(data, patient_id, day), data)


def read_overview(reader: ReportReader, day: date = TODAY) -> WardReport:
    """Read the data of all patients and make the overview."""
    return compare_ward(reader.house(day, DEFAULT_THRESHOLDS.trend_days), day, DEFAULT_THRESHOLDS)


def sample_report(reader: ReportReader, patient_id: str) -> PatientReport:
    """The report of one sample."""
    data = with_history(reader.patient(patient_id, TODAY, DEFAULT_THRESHOLDS.trend_days))
    return with_evidence(reader, compare_alone(data, patient_id), data)


def sample_ward(reader: ReportReader) -> WardReport:
    """The ward overview of all samples."""
    return compare_ward(with_history(reader.house(TODAY, DEFAULT_THRESHOLDS.trend_days)), TODAY, DEFAULT_THRESHOLDS)


def many_sessions(data: ReportData, count: int) -> ReportData:
    """A patient's data in which today has `count` copies of its last session, five minutes apart."""
    today = data.summary.filter(pl.col("session_date") == TODAY).tail(1)
    start = datetime(TODAY.year, TODAY.month, TODAY.day, 8, tzinfo=WINTER_TIME)
    copies = [
        today.with_columns(
            session_id=pl.lit(f"copy-{number:03d}"),
            started_at=pl.lit(start + timedelta(minutes=5 * number)).cast(today.schema["started_at"]),
        )
        for number in range(count)
    ]
    earlier = data.summary.filter(pl.col("session_date") < TODAY)
    return replace(data, summary=pl.concat([earlier, *copies]))


def filmed_during_care(data: ReportData, today: str) -> ReportData:
    """A patient's data as if today and every third day had been recorded during care, which raises pain activity.

    Args:
        data: of one patient.
        today: the situation of today's sessions, which may be one that no earlier day has.
    """
    back = (pl.lit(TODAY) - pl.col("session_date")).dt.total_days()
    moved = [f"{name}_mean" for name in ("pain_activity", *PAIN_COLUMNS)]
    situation = pl.when(back == 0).then(pl.lit(today)).when(back % 3 == 0).then(pl.lit("during_care"))
    summary = data.summary.with_columns(pl.col(column) + 0.25 * (back % 3 == 0) for column in moved)
    return replace(data, summary=summary.with_columns(situation=situation.otherwise(pl.lit("at_rest"))))


def many_patients(data: ReportData, count: int) -> ReportData:
    """A ward's data with its patients repeated under new names until there are `count`."""
    names = {f"room-{number:02d}": data.patients[number % len(data.patients)] for number in range(count)}

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        return pl.concat(
            frame.filter(pl.col("patient_id") == old).with_columns(patient_id=pl.lit(new)) for new, old in names.items()
        )

    quarantine = renamed(data.quarantine)
    return replace(data, patients=tuple(names), summary=renamed(data.summary), quarantine=quarantine)
