"""The flows that a Prefect worker runs for nights: what prefect.yaml deploys, with its parameters explained.

Prefect stores parameters, names and artifacts on its server: only paths, dates and pseudonymous ids go there.
"""

from datetime import date
from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.night import NightOutcome
from flows.nightly import each_night, previous_day, tonight_and_before
from flows.request import RunRequest
from flows.settings import Dispatch
from flows.telling import telling
from pmfer.errors import ConfigurationError

# Prefect's form gives what is left empty as an empty text.
Source = Annotated[str, Field(min_length=1)]
Folder = Annotated[Path, Field(json_schema_extra={"minLength": 1})]
Rate = Annotated[float, Field(gt=0)]


@flow(name="nightly", flow_run_name="nightly {night}")
def nightly(
    source: Source,
    data_dir: Folder,
    night: date | None = None,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: Rate | None = None,
    dispatch_to: Dispatch | None = None,
    time_zone: str | None = None,
) -> NightOutcome:
    """Process one night from source to reports.

    Args:
        source: folder with one folder per day, or the URL of one on S3 or SFTP.
        data_dir: folder below which all state lies.
        night: the day whose sessions are processed; left out, the day before the run was due, and then earlier ones
            that are not finished: they were killed, failed or missed, sessions were still being uploaded, or
            quarantine is to be tried again. An earlier one that fails is told of as a night of its own, and tried
            again with the next run.
        bundle: shipped bundle's name or a folder; left out, PMFER_BUNDLE or the default.
        detector: `centerface` or a YuNet file; left out, PMFER_DETECTOR or the default.
        frames_per_second: frames sampled per second of video; left out, PMFER_FRAMES_PER_SECOND or the default.
        dispatch_to: `process` scores here, `workers` has Prefect workers score; left out, PMFER_DISPATCH or the
            default.
        time_zone: zone in which the day before is meant, as Europe/Berlin; left out, that of the machine.

    Raises:
        PmferError: as for flows.nightly.one_night, or there is no such zone.
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


@flow(name="backfill", flow_run_name="backfill {first} to {last}")
def backfill(
    source: Source,
    data_dir: Folder,
    first: date,
    last: date,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: Rate | None = None,
    dispatch_to: Dispatch | None = None,
) -> list[NightOutcome]:
    """Process the nights from `first` to `last`, both included, in order; what is done already is left alone.

    Args:
        source: as for `nightly`, and so the arguments after `last`.
        data_dir: as for `nightly`.
        first: the first day.
        last: the last day, not before the first.
        bundle: as for `nightly`.
        detector: as for `nightly`.
        frames_per_second: as for `nightly`.
        dispatch_to: as for `nightly`.

    Raises:
        PmferError: as for `nightly`, and `last` lies before `first`.
    """
    if last < first:
        raise ConfigurationError(f"last {last} lies before first {first}; swap them")
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
