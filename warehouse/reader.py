"""`pmfer.open_warehouse`: reads scores as polars data frames, for people who work in Python.

`pmfer/__init__.py` exports it; docs/python.md shows how to use it. Like any DuckDB client it reads the snapshot
directly and leaves no entry in the read log.
"""

from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from pmfer.frame_row import FRAME_COLUMNS, readable
from warehouse.address import FileAddress, parse_address
from warehouse.connection import find_plain_views, open_reader
from warehouse.transaction import read

Day = date | str  # a local calendar day; as text in the form YYYY-MM-DD
Days = Day | tuple[Day, Day]  # one day, or the first and last of several

_SNAPSHOT = Path("published") / "warehouse.duckdb"
_CHOSEN = """
    WHERE ($patient IS NULL OR patient_id = $patient)
        AND ($first IS NULL OR session_date >= $first) AND ($last IS NULL OR session_date <= $last)
"""
_FRAMES = f"""
    SELECT
        patient_id, frames.session_date,
        make_timestamp(
            epoch_us(frames.started_at) + CAST(sessions.utc_offset_s AS BIGINT) * 1000000
            + CAST(round(pts_s * 1000000) AS BIGINT)
        ) AS local_time,
        {", ".join(f"frames.{column.name}" for column in FRAME_COLUMNS)}
    FROM frames
    JOIN sessions USING (session_id, patient_id)
    SEMI JOIN active_scorings USING (scoring_id)
    WHERE ($patient IS NULL OR patient_id = $patient)
        AND ($first IS NULL OR frames.session_date >= $first) AND ($last IS NULL OR frames.session_date <= $last)
    ORDER BY patient_id, frames.started_at, session_id, frame_index
"""


class WarehouseReader:
    """An open warehouse. Use it as a context manager, which closes it at the end.

    It shows what was stored when it was opened. All methods but `sql` show only the active bundle and options.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        find_plain_views(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the warehouse; further calls do nothing."""
        self._connection.close()

    def days(self, *, patient: str | None = None, days: Days | None = None) -> pl.DataFrame:
        """The view plain.days: a row per patient and day. Arguments and errors are the same as for `frames`."""
        order = "ORDER BY patient_id, session_date"
        return read(self._connection, f"FROM plain.days {_CHOSEN} {order}", patient=patient, **_limits(days))

    def sessions(self, *, patient: str | None = None, days: Days | None = None) -> pl.DataFrame:
        """The view plain.sessions: a row per session. Arguments and errors are the same as for `frames`."""
        order = "ORDER BY patient_id, session_date, local_time, session_id"
        return read(self._connection, f"FROM plain.sessions {_CHOSEN} {order}", patient=patient, **_limits(days))

    def frames(self, *, patient: str | None = None, days: Days | None = None) -> pl.DataFrame:
        """Every sampled frame, ordered by patient and time, with the columns of `pmfer.score` after three others.

        These are `patient_id`, `session_date` and `local_time`. Scores have three decimals, as they are stored.

        Args:
            patient: pseudonym; None: all patients.
            days: one local calendar day, or the first and last of several; None: all days.

        Raises:
            WarehouseError: a day is not in the form YYYY-MM-DD, or the database failed.
        """
        rows = read(self._connection, _FRAMES, patient=patient, **_limits(days))
        whose = rows.select("patient_id", "session_date", "local_time")
        return pl.concat([whose, readable(rows.drop(whose.columns))], how="horizontal")

    def sql(self, query: str, **parameters: Any) -> pl.DataFrame:
        """The answer to one SQL query; each `$name` in it stands for the parameter of that name.

        Raises:
            WarehouseError: the query fails.
        """
        return read(self._connection, query, **parameters)


def open_warehouse(path: Path | str, *, key: str | None = None) -> WarehouseReader:
    """Open a warehouse for reading.

    Args:
        path: the data folder; or a snapshot, `DATA_DIR/published/warehouse.duckdb`; or the address of a lake, as in
            PMFER_WAREHOUSE, with its `?data=`.
        key: encryption key, if the warehouse is encrypted.

    Raises:
        WarehouseError: there is no such warehouse, it is from another release, or the key is wrong.
    """
    if str(path).startswith("ducklake:"):
        return WarehouseReader(open_reader(parse_address(str(path), published=Path(), lake=Path("lake"), key=key)))
    given = Path(path)
    snapshot = given / _SNAPSHOT if given.is_dir() else given
    return WarehouseReader(open_reader(FileAddress(snapshot, snapshot, key)))


def _limits(days: Days | None) -> dict[str, date | None]:
    first, last = days if isinstance(days, tuple) else (days, days)
    return {"first": _day(first), "last": _day(last)}


def _day(day: Day | None) -> date | None:
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise WarehouseError(f"days: '{day}' is not a day; write it as YYYY-MM-DD") from None
