"""Encryption keys, and encrypted Parquet files.

A key is 32 random bytes in base64, as `openssl rand -base64 32` prints them. Passphrases are refused, because they can
be guessed. The same text opens an encrypted file in any DuckDB: `ATTACH 'file' (ENCRYPTION_KEY 'KEY')`, or `PRAGMA
add_parquet_key('pmfer', 'KEY')` and then `read_parquet(..., encryption_config = {footer_key: 'pmfer'})`.
"""

import base64
import binascii
import hashlib
import hmac
import io
import secrets
import stat
from pathlib import Path

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from warehouse.sql import load_extension, quoted
from warehouse.transaction import one_line_errors

_KEY_BYTES = 32  # AES-256
_NAME = "pmfer"  # of the key within a DuckDB connection


def checked_key(text: str, origin: str) -> str:
    """The key, without surrounding white space.

    Args:
        text: the supposed key; messages never repeat it.
        origin: where it came from, for the message.

    Raises:
        WarehouseError: it is not a key.
    """
    key = text.strip()
    try:
        length = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if length != _KEY_BYTES:
        raise WarehouseError(f"{origin}: not a key of 32 bytes in base64; make one with `openssl rand -base64 32`")
    return key


def read_key_file(path: Path) -> str:
    """The key in a file that only its owner can read.

    Raises:
        WarehouseError: the file is missing, others can read it, or it does not contain a key.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise WarehouseError(f"key file {path}: others can read it; make it private with `chmod 600`")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise WarehouseError(f"key file {path}: {error.strerror}; check the path") from None
    return checked_key(text, f"key file {path}")


def key_check(key: str) -> str:
    """A salted hash of a key, with which `is_key_of` recognizes the key. It does not help to guess 32 random bytes."""
    salt = secrets.token_hex(16)
    return f"{salt}:{_hash(salt, key)}"


def is_key_of(check: str, key: str) -> bool:
    """Whether `check` was made from this key."""
    salt, _, expected = check.partition(":")
    return hmac.compare_digest(_hash(salt, key), expected)


def parquet_options(connection: duckdb.DuckDBPyConnection, key: str | None) -> str:
    """Add a key to a connection; returns the options, `, NAME VALUE`, to append to those of COPY ... TO for Parquet.

    They are empty without a key, so `COPY frames TO 'f.parquet' (FORMAT parquet{options})` works either way.
    """
    if key is None:
        return ""
    _add_key(connection, key)
    return f", ENCRYPTION_CONFIG {{footer_key: '{_NAME}'}}"


def write_parquet(frame: pl.DataFrame, path: Path, key: str | None) -> None:
    """Write a frame to a Parquet file, encrypted if there is a key; an existing file is replaced.

    Raises:
        WarehouseError: the file cannot be written.
    """
    if key is None:
        content = io.BytesIO()
        frame.write_parquet(content)
        with one_line_errors(path):  # polars itself would report a full disk as invalid Parquet
            path.write_bytes(content.getbuffer())
        return
    with one_line_errors(path), duckdb.connect() as connection:
        options = parquet_options(connection, key)
        connection.register("frame", frame)
        connection.execute(f"COPY frame TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd{options})")


def read_parquet(path: Path, key: str | None) -> pl.DataFrame:
    """Read a file that write_parquet wrote with the same key.

    Raises:
        WarehouseError: the file is missing or damaged, or was written with another key.
    """
    if key is None:
        with one_line_errors(path):
            content = path.read_bytes()
        try:
            return pl.read_parquet(content)
        except pl.exceptions.PolarsError:
            raise WarehouseError(f"{path}: damaged; move it away, and run again") from None
    with one_line_errors(path), duckdb.connect() as connection:
        _add_key(connection, key)
        source = f"read_parquet({quoted(path)}, encryption_config = {{footer_key: '{_NAME}'}})"
        return connection.execute(f"FROM {source}").pl()


def _add_key(connection: duckdb.DuckDBPyConnection, key: str) -> None:
    load_extension(connection, "httpfs")  # to write; DuckDB's own cryptography can only read encrypted files
    connection.execute(f"PRAGMA add_parquet_key('{_NAME}', {quoted(key)})")


def _hash(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}:{key}".encode()).hexdigest()
