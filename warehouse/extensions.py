"""DuckDB's extensions, loaded from the wheels that bring them: nothing is downloaded or copied to a home folder."""

from importlib.resources import as_file, files

import duckdb

from warehouse.literals import quoted


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension of the same version as DuckDB itself; one that is loaded already is left alone.

    Raises:
        ModuleNotFoundError: its package is not installed.
        duckdb.Error: it does not fit this DuckDB.
    """
    wheel = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    with as_file(wheel) as path:
        connection.execute(f"LOAD {quoted(path)}")
