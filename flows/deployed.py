"""The flows for nights and reports that prefect.yaml deploys. Prefect's forms show the docstrings of their parameters.

Prefect stores parameters, names and artifacts on its server, so only paths, dates and pseudonymous ids go there.
"""

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from httpx import HTTPError
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from pydantic import Field, StrictInt, StrictStr

from flows.environment import set_up_worker
from flows.logs import hide, nameless_errors
from flows.nightly import each_night, tonight_and_before
from flows.outcome import NightOutcome
from flows.prefect_runs import telling
from flows.printing import printing_of
from flows.report import render_by_hand
from flows.request import Folder, RunRequest
from flows.settings import Dispatch, read_settings
from flows.sources.names import PLAUSIBLE_YEARS
from flows.warehouse_access import access_of
from pmfer.errors import ConfigurationError
from warehouse import queries
from warehouse.address import Address
from warehouse.connection import open_reader

# Prefect's form passes a field that is left empty as an empty string.
Source = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Field(gt=0)]
Night = Annotated[date, Field(ge=date(PLAUSIBLE_YEARS[0], 1, 1), le=date(PLAUSIBLE_YEARS[-1], 12, 31))]

# Neither of these can be a pseudonym, which has only letters, digits, dots, underscores and dashes.
ALL_PATIENTS = "*"
STRUCK_OUT = "?"  # what Prefect keeps instead of a pseudonym

log = logging.getLogger("pmfer.report")


@flow(name="nightly", flow_run_name="nightly {night}")
def nightly(
    source: Source,
    data_dir: Folder,
    night: Night | None = None,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: Rate | None = None,
    dispatch_to: Dispatch | None = None,
    time_zone: str | None = None,
) -> NightOutcome:
    """Process one night from source to reports.

    Args:
        source: folder with one folder per day, or the URL of one on S3 or SFTP.
        data_dir: folder for the warehouse, reports and all other state.
        night: the day whose sessions are processed. By default the day before the run was due, and then earlier nights
            that are not finished: they were killed, failed or missed, sessions were still being uploaded or arrived
            late, or a replay of quarantined sessions was requested. An earlier night that fails is reported separately,
            and the next run retries it.
        bundle: name of a shipped bundle, or a folder; by default PMFER_BUNDLE.
        detector: `centerface` or a YuNet file; by default PMFER_DETECTOR.
        frames_per_second: frames sampled per second of video; by default PMFER_FRAMES_PER_SECOND.
        dispatch_to: `process` scores in this process, `workers` has Prefect workers score; by default PMFER_DISPATCH.
        time_zone: time zone that decides which day is the day before, such as Europe/Berlin; by default the machine's.

    Raises:
        PmferError: as for flows.nightly.one_night, or there is no such time zone.
    """
    request = RunRequest(
        source=source,
        data_dir=data_dir,
        bundle=bundle,
        detector=detector,
        frames_per_second=frames_per_second,
        dispatch=dispatch_to,
    )
    day = night or previous_day(flow_run.scheduled_start_time, time_zone)
    with telling():
        return tonight_and_before(request, day, before=night is None)


def previous_day(due: datetime | None, time_zone: str | None) -> date:
    """The day before a run was due, so that a late run still processes the night it was meant for.

    Args:
        due: when the run was to start, with time zone; None: now.
        time_zone: time zone of the calendar day, such as Europe/Berlin; None: that of this machine.

    Raises:
        ConfigurationError: there is no such time zone.
    """
    try:
        zone = ZoneInfo(time_zone) if time_zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as `Europe`
        raise ConfigurationError(
            f"time_zone {time_zone}: no such time zone; give a name such as Europe/Berlin"
        ) from None
    return (due or datetime.now(UTC)).astimezone(zone).date() - timedelta(days=1)


@flow(name="backfill", flow_run_name="backfill {first} to {last}")
def backfill(
    source: Source,
    data_dir: Folder,
    first: Night,
    last: Night,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: Rate | None = None,
    dispatch_to: Dispatch | None = None,
) -> list[NightOutcome]:
    """Process the nights from `first` to `last`, both included, in order. What was done before is not repeated.

    Args:
        source: as for `nightly`.
        data_dir: as for `nightly`.
        first: the first day.
        last: the last day, not before the first.
        bundle: as for `nightly`.
        detector: as for `nightly`.
        frames_per_second: as for `nightly`.
        dispatch_to: as for `nightly`.

    Raises:
        PmferError: as for `nightly`, or `last` is before `first`.
    """
    if last < first:
        raise ConfigurationError(f"last {last} is before first {first}; swap them")
    request = RunRequest(
        source=source,
        data_dir=data_dir,
        bundle=bundle,
        detector=detector,
        frames_per_second=frames_per_second,
        dispatch=dispatch_to,
    )
    with telling():
        return each_night(request, first, last)


@flow(name="report", flow_run_name="report {day}")
def report(data_dir: Folder, day: Night, patient_id: StrictStr | StrictInt = ALL_PATIENTS) -> int:
    """Render reports of a day again, whether due or not; return the number of files.

    Args:
        data_dir: folder for the warehouse, reports and all other state.
        day: the day.
        patient_id: pseudonym of one patient; by default all reports of the day. A pseudonym that looks like a number
            may arrive as one from Prefect's command line. `null` is refused and does not mean all patients.

    Raises:
        PmferError: nothing was scored on that day, a report failed, or the warehouse cannot be used.
        ConfigurationError: the run is a retry, and its pseudonym has been removed.
    """
    if patient_id == STRUCK_OUT:
        raise ConfigurationError("this run no longer says whose report it renders; start a new run for that patient")
    if patient_id != ALL_PATIENTS:
        strike_out_patient(data_dir, day)
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    access = access_of(settings)
    access.data.require_writable()
    patient = None if patient_id == ALL_PATIENTS else str(patient_id)
    hide_patients(access.warehouse)
    with nameless_errors():
        return len(render_by_hand(access, day, patient, printing_of(settings)))


def strike_out_patient(data_dir: Path, day: date) -> None:
    """Remove the pseudonym from the parameters that Prefect's server keeps of this run."""
    if flow_run.id is None:  # called as a function
        return
    kept = {"data_dir": str(data_dir), "day": day.isoformat(), "patient_id": STRUCK_OUT}
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, parameters=kept)
    except (HTTPError, PrefectException) as error:
        log.warning("Prefect keeps this run's pseudonym (%s); delete the run there", type(error).__name__)


def hide_patients(warehouse: Address) -> None:
    """From now on, strike the pseudonyms that a warehouse knows out of everything that is logged.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    with open_reader(warehouse) as reader:
        hide(queries.patient_ids(reader))
