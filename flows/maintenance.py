"""The maintenance of the warehouse, as a flow: backup, retention, compaction, contracts, logs."""

import logging

import duckdb
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.backup import add_backup, remove_old_backups, require_place
from flows.data_folder import DataFolder
from flows.environment import set_up_worker
from flows.logs import OwnWords, hide
from flows.monitoring import failure_noticed
from flows.privacy.retention import remove_expired, retention_of
from flows.request import Folder
from flows.settings import Settings, read_settings
from flows.verify import verify_logs
from flows.warehouse_access import WarehouseAccess, access_of, require_existing
from warehouse import queries
from warehouse.address import Address
from warehouse.contracts import require_contracts
from warehouse.lake import tidy

log = logging.getLogger("pmfer.maintenance")


@task(name="retain", cache_policy=NO_CACHE)
def expire(connection: duckdb.DuckDBPyConnection, data: DataFolder, settings: Settings) -> None:
    """Delete data past its retention period."""
    remove_expired(connection, data, retention_of(settings))


@task(name="compact", cache_policy=NO_CACHE)
def compact(connection: duckdb.DuckDBPyConnection) -> None:
    """Merge a lake's small files, and delete those that only states older than a day need."""
    tidy(connection)


@task(name="check contracts", cache_policy=NO_CACHE)
def check_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Check every contract over every row."""
    require_contracts(connection, everything=True)


@task(name="verify logs", cache_policy=NO_CACHE)
def verify(access: WarehouseAccess) -> None:
    """Check that nobody altered the audit log or the read log."""
    for line in verify_logs(access):
        log.info("%s", OwnWords(line))


@task(name="back up", cache_policy=NO_CACHE)
def back_up(access: WarehouseAccess, settings: Settings) -> None:
    """Back up everything that cannot be made again to the folder that the settings name."""
    add_backup(access, settings, log.info)


@task(name="remove old backups", cache_policy=NO_CACHE)
def remove_expired_backups(warehouse: Address, settings: Settings) -> None:
    """Delete backups past their retention period."""
    remove_old_backups(warehouse, settings, log.info)


@flow(name="maintenance")
def maintenance(data_dir: Folder) -> None:
    """Maintain the warehouse: back up, delete expired data, compact, check all contracts and verify the logs.

    The backup comes first, so that there is one whatever the checks find. Old backups are deleted last, and only if
    everything is in order, so that a damaged backup never replaces a good one.

    Args:
        data_dir: folder for the warehouse, reports and all other state.

    Raises:
        PmferError: a contract does not hold, a log was altered, the backup folder is missing, or the warehouse cannot
            be used. The message says which.
    """
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    with failure_noticed(settings, "the maintenance of the warehouse"):
        maintain(settings)


def maintain(settings: Settings) -> None:
    """The steps of `maintenance`, in order.

    Raises:
        PmferError: see maintenance.
    """
    access = access_of(settings)
    data, warehouse = access.data, access.warehouse
    data.require_writable()
    require_existing(warehouse)
    if settings.backup_to:
        require_place(warehouse, settings)
        back_up(access, settings)
    else:
        log.info("no backup was made: PMFER_BACKUP_TO is not set")
    with access.writing() as writer:
        connection = writer.connection
        hide(queries.patient_ids(connection))
        expire(connection, data, settings)
        compact(connection)
        check_everything(connection)
    verify(access)
    if settings.backup_to:
        remove_expired_backups(warehouse, settings)
