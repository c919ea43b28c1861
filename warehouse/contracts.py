"""Contracts: rules that the stored rows must keep. Each is a query that returns the rows that break the rule.

A lake enforces only NOT NULL, a file not much more, and neither stops somebody who edits rows by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from pmfer.errors import WarehouseError
from warehouse import sql
from warehouse.transaction import database_path, one_line_errors


@dataclass(frozen=True)
class Breach:
    """A contract that is broken."""

    name: str  # of its file
    rows: int  # how many rows break it
    example: str  # the first of these rows

    @property
    def sentence(self) -> str:
        """The breach in one line."""
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return f"{self.name} ({rows}, such as {self.example})"


def contract_rules() -> dict[str, str]:
    """What each contract states, by its name: the first line of its file."""
    return {name: text.partition("\n")[0].removeprefix("-- ") for name, text in sql.contracts().items()}


# Let the contracts check the frames of all scorings.
_LOOK_AT_EVERYTHING = """
    CREATE OR REPLACE TEMP VIEW frames_to_check AS FROM frame_scores;
    CREATE OR REPLACE TEMP VIEW extra_scores_to_check AS FROM frame_extra_scores;
"""
# Let the contracts check only the frames of scorings whose run has not completed. The frames are copied, so that they
# are searched for once and not by each contract.
_LOOK_AT_OPEN_RUNS = """
    CREATE OR REPLACE TEMP TABLE open_frames AS
    FROM frame_scores
    WHERE scoring_id IN (FROM scorings_to_check(false));
    CREATE OR REPLACE TEMP TABLE open_extra_scores AS
    FROM frame_extra_scores
    WHERE scoring_id IN (FROM scorings_to_check(false));
    CREATE OR REPLACE TEMP VIEW frames_to_check AS FROM open_frames;
    CREATE OR REPLACE TEMP VIEW extra_scores_to_check AS FROM open_extra_scores;
"""
# Drop the relations that the contracts read.
_CHECK_IS_OVER = """
    DROP VIEW IF EXISTS temp.frames_to_check;
    DROP VIEW IF EXISTS temp.extra_scores_to_check;
    DROP TABLE IF EXISTS temp.open_frames;
    DROP TABLE IF EXISTS temp.open_extra_scores;
"""


def broken_contracts(connection: duckdb.DuckDBPyConnection, *, everything: bool = True) -> list[Breach]:
    """The contracts that are broken, by name.

    Args:
        connection: an open warehouse.
        everything: check the frames of all scorings. If false, check only frames of scorings whose run has not
            completed, which takes seconds however many others there are. Everything else is checked either way.

    Raises:
        WarehouseError: the database failed.
    """
    breaches = []
    with one_line_errors(database_path(connection)):
        connection.execute(_LOOK_AT_EVERYTHING if everything else _LOOK_AT_OPEN_RUNS)
        for name, text in sql.contracts().items():
            values = {"everything": everything} if "$everything" in text else {}
            found = connection.execute(
                f"SELECT count(*), CAST(min(breaches) AS VARCHAR) FROM (\n{text}\n) AS breaches", values
            )
            ((count, example),) = found.fetchall()
            if count:
                breaches.append(Breach(name, int(count), example))
        connection.execute(_CHECK_IS_OVER)
    return breaches


def require_contracts(connection: duckdb.DuckDBPyConnection, *, everything: bool = True) -> None:
    """Check all contracts; see broken_contracts.

    Raises:
        WarehouseError: one or more are broken; names each, with the number of rows and one of them.
    """
    refuse(connection, broken_contracts(connection, everything=everything))


def refuse(connection: duckdb.DuckDBPyConnection, breaches: Sequence[Breach]) -> None:
    """Raise an error if there are breaches.

    Raises:
        WarehouseError: there are some; names each broken contract in one line.
    """
    if breaches:
        what = "; ".join(breach.sentence for breach in breaches)
        raise WarehouseError(
            f"warehouse {database_path(connection)}: {len(breaches)} of its contracts do not hold: {what}; somebody "
            "edited it or this is a bug: restore it from a snapshot and rerun the nights since then"
        )
