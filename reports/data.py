"""Everything the reports need from the warehouse, read once. No other module in this package queries the warehouse."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import duckdb
import polars as pl

from pmfer import __version__
from pmfer.errors import ReportError
from pmfer.pain import ASLEEP_S
from reports.daily import by_patient, daily_values
from reports.findings import State
from reports.measures import MEASURES, Thresholds
from reports.situations import parts_of_sessions
from warehouse import findings, quarantine, queries, retention, runs
from warehouse.care_events import CareEventKind
from warehouse.queries import Provenance
from warehouse.records import AcceptedLevel

__all__ = ["CareEventKind", "CarriedFinding", "NightData", "Origin", "ReportData", "ReportReader"]

LATEST_RUNS = 10_000  # how many runs are searched for the one of the day: decades of nights
CARE_LOOK_BACK_DAYS = 28  # days before the weeks drawn; care given in them did not begin in the weeks drawn
# When, by which run or from which file a row was stored. No report shows it, and storing a row again may change it.
BOOKKEEPING = ("scored_at", "imported_at", "source", "first_seen_at", "replay_asked_at", "run_id")


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a report come from: model, options and software."""

    bundle_name: str | None  # None while the bundle has scored nothing here
    bundle_id: str  # digest of the bundle card, 64 hex digits
    prompt_set_sha256: str | None  # 64 hex digits; None in the same case
    options_sha256: str  # 64 hex digits
    frames_per_second: float | None  # sampling rate; None: every frame
    scored_by: str  # version of the software that ran the scoring
    software: str  # version of the software that made the report


@dataclass(frozen=True)
class CarriedFinding:
    """A flag that was open when the bundle or the options changed; the new ones cannot compare the measure yet."""

    patient_id: str
    measure: str  # Measure.key
    state: State  # HIGHER or LOWER
    opened: date  # first flagged day
    onset: date  # when the change most likely began
    last_told: date  # last day on which a report showed it as open


@dataclass(frozen=True)
class ReportData:
    """Everything a report is computed from: what was read for one patient or a ward, up to and including the day."""

    patients: tuple[str, ...]  # whose sessions were read
    summary: pl.DataFrame  # session_summary of one bundle and one set of options, with smiles_per_min and closed_s
    quarantine: pl.DataFrame  # the day's rows of quarantine
    kept: pl.DataFrame  # rows of daily_values: earlier days of these patients whose sessions may have been deleted
    origin: Origin
    care_events: pl.DataFrame | None = None  # rows of care_events, from before the weeks drawn; None for a ward
    model_since: date | None = None  # first day with this bundle and these options, if others scored earlier days
    # Usual levels that a person accepted, by patient and Measure.key.
    levels: Mapping[str, Mapping[str, AcceptedLevel]] = field(default_factory=dict)
    carried: tuple[CarriedFinding, ...] = ()  # open flags of the earlier model, by patient and measure
    ward: str | None = None  # the ward of an overview; None: the whole facility
    files: Mapping[str, str] = field(default_factory=dict)  # source file of each of the day's recordings, by session_id
    frames_kept: bool = True  # whether the day's frames still exist; the moments are found in them

    def accepted(self, patient_id: str) -> dict[str, date]:
        """First day of each accepted level of a patient, by Measure.key."""
        return {measure: level.from_date for measure, level in self.levels.get(patient_id, {}).items()}


@dataclass(frozen=True)
class NightData:
    """Everything that was read for the reports of one day."""

    patients: Mapping[str, ReportData]  # everybody in the facility's overview, in order
    recorded: tuple[str, ...]  # patients with a session that day, stored or in quarantine: they get a report
    house: ReportData
    wards: Mapping[str, ReportData]  # by ward, in order; empty if no session names one


@dataclass(frozen=True)
class ReportReader:
    """Reads what reports need. Every method raises WarehouseError if a query fails."""

    connection: duckdb.DuckDBPyConnection  # reading is enough
    scoring: Provenance  # only its scores are read, so a new bundle or new options start a new baseline

    def patient(self, patient_id: str, day: date, days: int) -> ReportData:
        """Read everything that one patient's report needs, for `day` and the `days` days that end with it.

        Raises:
            ReportError: no run with this bundle and these options is on record.
        """
        return self._each(self._together([patient_id], day, days, self._quarantine_of(day)), day, days)[patient_id]

    def night(self, day: date, days: int) -> NightData | None:
        """Read everything for the reports of a day, see `patient` and `house`; None for a day without any session.

        A patient belongs to the ward named by the latest session of the `days` days that names one.

        Raises:
            ReportError: no run with this bundle and these options is on record.
        """
        stored = queries.night_summaries(self.connection, day, self.scoring)["patient_id"]
        recorded = pl.concat([stored, self._quarantine_of(day)["patient_id"]])
        if recorded.is_empty():
            return None
        house, places = self.house(day, days), self._ward_of_patients(day, days)
        wards = {ward: _of_ward(house, ward, places) for ward in sorted({ward for ward in places.values() if ward})}
        return NightData(self._each(house, day, days), tuple(recorded.drop_nulls().unique().sort()), house, wards)

    def house(self, day: date, days: int) -> ReportData:
        """Read everything that the overview of the whole facility needs, also quarantined sessions of unknown patients.

        It covers patients with a session in the last `days` days or one in quarantine on `day`; all others are assumed
        to have left.

        Raises:
            ReportError: no run with this bundle and these options is on record.
        """
        quarantined = self._quarantine_of(day)
        everybody = sorted({*self._ward_of_patients(day, days), *quarantined["patient_id"].drop_nulls()})
        return self._together(everybody, day, days, quarantined)

    def _ward_of_patients(self, day: date, days: int) -> dict[str, str | None]:
        seen = queries.patients_seen(self.connection, until=day, days=days)
        return dict(seen.select("patient_id", "ward").iter_rows())

    def summaries(self, patient_ids: Collection[str], day: date) -> pl.DataFrame:
        """Rows of session_summary up to `day`, with smiles_per_min and closed_s from their episodes.

        `smiles_per_min` counts smiles per minute with the face scored; it is NULL if no frame was scored or the length
        of the recording is unknown. `closed_s` is for how long the eyes stayed closed, in stretches long enough to be
        sleep, in seconds.
        """
        episodes = queries.episode_sums(self.connection, patient_ids, self.scoring, until=day, least_closed_s=ASLEEP_S)
        observed_min = pl.col("duration_s") / 60 * pl.col("frames_scored") / pl.col("frames_sampled")
        return (
            queries.summaries_of_patients(self.connection, patient_ids, self.scoring, until=day)
            .join(episodes, on="scoring_id", how="left", maintain_order="left")
            .with_columns(pl.col("smiles", "closed_s").fill_null(0))
            .with_columns(smiles_per_min=pl.when(observed_min > 0).then(pl.col("smiles") / observed_min))
            .drop("smiles", *BOOKKEEPING, strict=False)
        )

    def moments(self, scoring_ids: Collection[str], column: str, count: int) -> pl.DataFrame:
        """The frames of these scorings in which `column` is highest; see `queries.moments`."""
        return queries.moments(self.connection, scoring_ids, column, count=count)

    def kept_form(self, summary: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
        """Turn rows of session_summary into rows of the table daily_values, to be kept once the sessions are deleted.

        Days with a session that states its situation are also kept per situation.
        """
        index = ["patient_id", "session_date", "sessions"]
        days = daily_values(summary, thresholds)
        whole = days.unpivot(
            [measure.key for measure in MEASURES], index=index, variable_name="measure", value_name="value"
        )
        stated = summary.filter(pl.col("situation").is_not_null()).select(index[:2]).unique()
        parts = parts_of_sessions(summary, thresholds).join(stated, on=index[:2], how="semi")
        return pl.concat([whole, parts.join(days.select(index), on=index[:2])], how="diagonal").with_columns(
            pl.col("frames").cast(pl.Int64),
            bundle_id=pl.lit(self.scoring.bundle_id),
            options_sha256=pl.lit(self.scoring.options_sha256),
        )

    def _quarantine_of(self, day: date) -> pl.DataFrame:
        return quarantine.of_night(self.connection, day).drop(BOOKKEEPING, strict=False)

    def _together(self, patient_ids: Collection[str], day: date, days: int, quarantined: pl.DataFrame) -> ReportData:
        """Read the data of several patients into one ReportData; `quarantined` holds the day's quarantine."""
        summary = self.summaries(patient_ids, day)
        return ReportData(
            tuple(patient_ids),
            summary,
            quarantined,
            kept=queries.daily_values(self.connection, patient_ids, self.scoring, until=day),
            origin=self._origin(day),
            levels=findings.levels_in_force(self.connection, patient_ids, day),
            carried=self._carried(patient_ids, day, days),
        )

    def _each(self, house: ReportData, day: date, days: int) -> dict[str, ReportData]:
        """Split the data by patient, and add what only a patient's own report shows."""
        since = day - timedelta(days=days - 1 + CARE_LOOK_BACK_DAYS)
        events = queries.care_events(self.connection, house.patients, since=since, until=day)
        otherwise = queries.scored_otherwise(self.connection, house.patients, self.scoring)
        today = house.summary.filter(pl.col("session_date") == day)
        files = queries.source_files(self.connection, today["session_id"].to_list())
        frames_since = retention.frames_kept_since(self.connection)
        parts = {
            name: by_patient(frame, house.patients)
            for name, frame in (
                ("summary", house.summary),
                ("today", today),
                ("quarantine", house.quarantine),
                ("kept", house.kept),
                ("care_events", events.drop(BOOKKEEPING, strict=False)),
            )
        }

        def data_of(patient_id: str) -> ReportData:
            mine = {name: rows[patient_id] for name, rows in parts.items()}
            sessions = mine["today"]["session_id"]
            firsts = (mine[name]["session_date"].min() for name in ("summary", "kept"))
            first = min((first for first in firsts if isinstance(first, date)), default=None)
            since_others = first if first and otherwise.get(patient_id, first) < first else None
            return replace(
                house,
                patients=(patient_id,),
                summary=mine["summary"],
                quarantine=mine["quarantine"],
                kept=mine["kept"],
                care_events=mine["care_events"],
                model_since=since_others,
                levels={patient_id: house.levels.get(patient_id, {})},
                carried=tuple(flag for flag in house.carried if flag.patient_id == patient_id),
                files={session_id: files[session_id] for session_id in sessions},
                frames_kept=frames_since is None or day >= frames_since,
            )

        return {patient_id: data_of(patient_id) for patient_id in house.patients}

    def _carried(self, patient_ids: Collection[str], day: date, days: int) -> tuple[CarriedFinding, ...]:
        since = day - timedelta(days=days - 1)
        rows = findings.carried_over(self.connection, patient_ids, self.scoring, since=since, day=day)
        return tuple(
            CarriedFinding(patient_id, measure, State(direction), opened, onset, last_told)
            for patient_id, measure, direction, opened, onset, last_told in rows.iter_rows()
        )

    def _origin(self, day: date) -> Origin:
        scoring = self.scoring
        known = runs.latest_runs(self.connection, LATEST_RUNS).filter(
            (pl.col("bundle_id") == scoring.bundle_id) & (pl.col("options_sha256") == scoring.options_sha256)
        )
        if known.is_empty():
            raise ReportError(
                f"report of {day}: no run with bundle {scoring.bundle_id[:12]} and options "
                f"{scoring.options_sha256[:12]} is on record; run the night with them first"
            )
        of_the_day = known.filter(pl.col("night") == day)
        bundle = queries.bundle(self.connection, scoring.bundle_id).to_dicts()
        run = (known if of_the_day.is_empty() else of_the_day).row(0, named=True)
        return Origin(
            bundle_name=bundle[0]["name"] if bundle else None,
            bundle_id=scoring.bundle_id,
            prompt_set_sha256=bundle[0]["prompt_set_sha256"] if bundle else None,
            options_sha256=scoring.options_sha256,
            frames_per_second=json.loads(run["options"]).get("frames_per_second"),
            scored_by=run["code_version"],
            software=__version__,
        )


def _of_ward(house: ReportData, ward: str, places: Mapping[str, str | None]) -> ReportData:
    """The part of the facility's data that belongs to one ward; `places` has the ward of each patient."""
    patients = tuple(patient_id for patient_id in house.patients if places.get(patient_id) == ward)
    mine = pl.col("patient_id").is_in(patients)
    return replace(
        house,
        patients=patients,
        summary=house.summary.filter(mine),
        quarantine=house.quarantine.filter(mine),
        kept=house.kept.filter(mine),
        levels={patient_id: house.levels[patient_id] for patient_id in patients if patient_id in house.levels},
        carried=tuple(flag for flag in house.carried if flag.patient_id in patients),
        ward=ward,
    )
