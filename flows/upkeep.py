"""Flows that are no night: reports of a day rendered again, and the upkeep of the warehouse."""

import logging
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
from httpx import HTTPError
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from pydantic import StrictInt, StrictStr

from flows.backup import add_backup, remove_old_backups, require_place
from flows.data_folder import DataFolder
from flows.deployed import Folder
from flows.logs import OwnWords, hide, nameless_errors
from flows.printing import printing_of
from flows.privacy.retention import retain, retention_of
from flows.process import set_up_worker
from flows.reporting import render_by_hand
from flows.settings import read_settings
from flows.verify import verify_logs
from flows.warehouse_address import warehouse_address
from flows.writing import require_existing, writing
from pmfer.errors import ConfigurationError
from warehouse import queries
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.contracts import require_contracts
from warehouse.lake import tidy

# Neither is a pseudonym: these are letters, digits, dots, dashes.
ALL_PATIENTS = "*"
STRUCK_OUT = "?"  # what Prefect keeps in the place of a pseudonym

log = logging.getLogger("pmfer.upkeep")


@flow(name="report", flow_run_name="report {day}")
def report(data_dir: Folder, day: date, patient_id: StrictStr | StrictInt = ALL_PATIENTS) -> int:
    """Render reports of a day again, whether due or not; how many files that were.

    Args:
        data_dir: folder below which all state lies.
        day: the day.
        patient_id: pseudonym of one patient, which Prefect's command line takes for a number where it looks like one;
            left out, all of the day and the ward. Nothing else means all of them, `null` least of all.

    Raises:
        PmferError: nothing was scored on that day, a report failed, or the warehouse cannot be used.
        ConfigurationError: the run is a retry, which no longer knows its patient.
    """
    if patient_id == STRUCK_OUT:
        raise ConfigurationError("this run no longer says whose report it renders; start a new run for that patient")
    if patient_id != ALL_PATIENTS:
        strike_out_patient(data_dir, day)
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    data = DataFolder(settings.data_dir.absolute())
    data.require_writable()
    patient = None if patient_id == ALL_PATIENTS else str(patient_id)
    warehouse = warehouse_address(settings)
    hide_patients(warehouse)
    with nameless_errors():
        return len(render_by_hand(data, warehouse, day, patient, printing_of(settings)))


def strike_out_patient(data_dir: Path, day: date) -> None:
    """Take the pseudonym out of the parameters that Prefect's server keeps of this run."""
    if flow_run.id is None:  # called as a function
        return
    kept = {"data_dir": str(data_dir), "day": day.isoformat(), "patient_id": STRUCK_OUT}
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, parameters=kept)
    except (HTTPError, PrefectException) as error:
        log.warning("Prefect keeps this run's pseudonym (%s); delete the run there", type(error).__name__)


def hide_patients(warehouse: Address) -> None:
    """Strike the pseudonyms that a warehouse knows out of what is logged from now on.

    Raises:
        WarehouseError: it cannot be read.
    """
    with closing(open_reader(warehouse)) as reader:
        hide(queries.patient_ids(reader))


@task(name="retain", cache_policy=NO_CACHE)
def remove_expired(connection: duckdb.DuckDBPyConnection, data: DataFolder, today: date) -> None:
    """Remove what the settings no longer keep."""
    counts = retain(connection, data, retention_of(read_settings(data_dir=data.root)), today)
    gone = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
    log.info("too old to be kept: %s", OwnWords(gone))


@task(name="compact", cache_policy=NO_CACHE)
def compact(connection: duckdb.DuckDBPyConnection) -> None:
    """Merge a lake's small files, and drop those that no state of the last day needs."""
    tidy(connection)


@task(name="check contracts", cache_policy=NO_CACHE)
def check_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Check every contract over every row."""
    require_contracts(connection, everything=True)


@task(name="verify logs", cache_policy=NO_CACHE)
def verify(data: DataFolder) -> None:
    """Check that the audit log and the log of reads are what was once written."""
    for line in verify_logs(data, warehouse_address(read_settings(data_dir=data.root))):
        log.info("%s", OwnWords(line))


@task(name="back up", cache_policy=NO_CACHE)
def back_up(data: DataFolder) -> None:
    """Copy what cannot be made again to where the settings say."""
    settings = read_settings(data_dir=data.root)
    add_backup(data, warehouse_address(settings), settings, log.info)


@task(name="remove old backups", cache_policy=NO_CACHE)
def remove_expired_backups(data: DataFolder) -> None:
    """Remove the backups that the settings keep no longer."""
    settings = read_settings(data_dir=data.root)
    remove_old_backups(warehouse_address(settings), settings, log.info)


@flow(name="maintenance")
def maintenance(data_dir: Folder) -> None:
    """Keep the warehouse in order: a backup, retention, compaction, contracts over everything, audit log.

    The backup comes first, so that there is one whatever the checks find. Old backups go last and only when all is in
    order, so that none takes the place of a better one.

    Args:
        data_dir: folder below which all state lies.

    Raises:
        PmferError: a contract does not hold, a log was altered, the backup's folder is missing, or the warehouse cannot
            be used; names which.
    """
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    data = DataFolder(data_dir.absolute())
    data.require_writable()
    warehouse = warehouse_address(settings)
    require_existing(warehouse)
    if settings.backup_to:
        require_place(warehouse, settings)
        back_up(data)
    else:
        log.info("no backup is made: PMFER_BACKUP_TO names no folder")
    with nameless_errors(), writing(data, warehouse) as writer:
        connection = writer.connection
        hide(queries.patient_ids(connection))
        remove_expired(connection, data, date.today())
        compact(connection)
        check_everything(connection)
    verify(data)
    if settings.backup_to:
        remove_expired_backups(data)
