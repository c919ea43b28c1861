"""Delete data past its retention period: every night, and with `pmfer warehouse retain`."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from flows.data_folder import DataFolder
from flows.logs import OwnWords
from flows.settings import Settings
from flows.warehouse_access import WarehouseAccess, require_existing
from pmfer.errors import ConfigurationError
from reports.data import ReportReader
from reports.measures import DEFAULT_THRESHOLDS
from warehouse import audit, queries
from warehouse.retention import Retention, expire_rows, expired_rows, first_day_kept, keep_days
from warehouse.transaction import transaction

log = logging.getLogger("pmfer.retention")


def retention_of(settings: Settings) -> Retention:
    """The retention periods from the settings."""
    return Retention(
        frames=settings.retain_frames_days,
        sessions=settings.retain_sessions_days,
        reports=settings.retain_reports_days,
        staged=settings.retain_staged_days,
        quarantine=settings.retain_quarantine_days,
    )


def retain(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, retention: Retention, today: date
) -> dict[str, int]:
    """Delete expired rows and files; return how many, by table or as `files`.

    Raises:
        WarehouseError: the database failed.
        OSError: a file cannot be removed.
    """
    if retention.sessions is not None:
        _keep_days(connection, first_day_kept(today, retention.sessions))
    files = list(expired_files(data, retention, today))
    for path in files:
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder in (data.staging, data.root / "reports", data.root / "digests") or any(folder.iterdir()):
                break
            folder.rmdir()
    if files:
        with transaction(connection):
            audit.record(connection, "files_expired", today=today, files=len(files))
    return expire_rows(connection, retention, today) | _counted(files)


def remove_expired(connection: duckdb.DuckDBPyConnection, data: DataFolder, retention: Retention) -> None:
    """`retain` as of today; log what was deleted, if anything."""
    if deleted := retain(connection, data, retention, date.today()):
        counts = ", ".join(f"{count} {name}" for name, count in deleted.items())
        log.info("past its retention period, deleted: %s", OwnWords(counts))


def _keep_days(connection: duckdb.DuckDBPyConnection, first: date) -> None:
    """Keep daily values of the days before `first`, whose sessions expire: patients' usual ranges are based on them."""
    for scoring, patient_ids in queries.patients_before_and_since(connection, first).items():
        reader = ReportReader(connection, scoring)
        summary = reader.summaries(patient_ids, first - timedelta(days=1))
        keep_days(connection, reader.kept_form(summary, DEFAULT_THRESHOLDS))


def retain_now(access: WarehouseAccess, retention: Retention, today: date, dry_run: bool) -> dict[str, int]:
    """`retain` as a separate command; with `dry_run`, only count what would be deleted.

    Raises:
        ConfigurationError: no retention period is set, or there is no warehouse.
        WarehouseError: the warehouse is being written, or the database failed.
    """
    if not retention.is_set:
        raise ConfigurationError(
            "no retention period is set; set PMFER_RETAIN_FRAMES_DAYS or another (docs/privacy.md)"
        )
    require_existing(access.warehouse)
    with access.writing() as writer:
        if dry_run:
            rows = expired_rows(writer.connection, retention, today)
            return rows | _counted(list(expired_files(access.data, retention, today)))
        return retain(writer.connection, access.data, retention, today)


def expired_files(data: DataFolder, retention: Retention, today: date) -> Iterator[Path]:
    """Expired files: reports and content hashes of days past their period, and staged files last written before it."""
    if retention.reports is not None:
        first = first_day_kept(today, retention.reports).isoformat()
        for folder in sorted((data.root / "reports").glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]")):
            if folder.name < first:
                yield from sorted(path for path in folder.rglob("*") if path.is_file())
    if retention.sessions is not None:
        first_known = data.digests(first_day_kept(today, retention.sessions))
        yield from (path for path in sorted(first_known.parent.glob("*.txt")) if path < first_known)
    if retention.staged is not None and data.staging.is_dir():
        first_staged = first_day_kept(today, retention.staged)
        for path in sorted(data.staging.rglob("*")):
            if path.is_file() and datetime.fromtimestamp(path.stat().st_mtime, UTC).date() < first_staged:
                yield path


def _counted(files: list[Path]) -> dict[str, int]:
    return {"files": len(files)} if files else {}
