"""The layout of the data folder."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pmfer.errors import ConfigurationError

WARD = "ward"  # file name of the facility's overview, in place of a pseudonym
WARDS = "wards"  # folder for the overviews of single wards

# Bytes that must be free: a first warehouse and its snapshot need this much.
MIN_FREE_BYTES = 16_000_000


@dataclass(frozen=True)
class DataFolder:
    """Paths below the data folder; the properties create nothing."""

    root: Path

    @property
    def warehouse(self) -> Path:
        """The warehouse's file, which one writer holds, unless the warehouse is at another address."""
        return self.root / "warehouse" / "warehouse.duckdb"

    @property
    def lake(self) -> Path:
        """Parquet files of a lake, unless its address names another folder."""
        return self.root / "lake"

    @property
    def published(self) -> Path:
        """The snapshot that readers open; a lake has none."""
        return self.root / "published" / "warehouse.duckdb"

    @property
    def staging(self) -> Path:
        """Copies of videos while they are scored."""
        return self.root / "staging"

    @property
    def digests_folder(self) -> Path:
        """Content hashes of recordings, one file per night."""
        return self.root / "digests"

    def digests(self, night: date) -> Path:
        """Content hashes of a night's recordings, see flows.sources.recordings.Digests."""
        return self.digests_folder / f"{night.isoformat()}.txt"

    @property
    def unfinished(self) -> Path:
        """Markers of unfinished nights, which a later run retries."""
        return self.root / "unfinished"

    @property
    def prefect_home(self) -> Path:
        """State of Prefect's clients and server, unless PREFECT_HOME names another folder."""
        return self.root / "prefect"

    @property
    def server_secret(self) -> Path:
        """The credentials that Prefect's server asks for."""
        return self.root / "server" / "secret"

    @property
    def audit_head(self) -> Path:
        """Where the audit log ended when the warehouse was last written."""
        return self.root / "audit" / "head.json"

    @property
    def read_log(self) -> Path:
        """Who read what through our tools."""
        return self.root / "audit" / "reads.jsonl"

    @property
    def receipts(self) -> Path:
        """Receipts of erasures; they name nobody."""
        return self.root / "receipts"

    @property
    def exports(self) -> Path:
        """Exports of the warehouse's content; they can be made again."""
        return self.root / "exports"

    @property
    def inbox(self) -> Path:
        """Consents and scored sessions that wait for the next writer of the warehouse."""
        return self.root / "inbox"

    @property
    def metrics(self) -> Path:
        """Figures of the last night for Prometheus; they name nobody."""
        return self.root / "metrics" / "pmfer.prom"

    def reports(self, day: date) -> Path:
        """The folder of a day's reports, see flows.printing.files_in."""
        return self.root / "reports" / day.isoformat()

    def relative(self, path: Path) -> str:
        """A path relative to the data folder, as it is stored."""
        return path.relative_to(self.root).as_posix()

    def require_writable(self) -> None:
        """Create the folder, private to its owner, and check that it can be written.

        This also sets the process's umask, so that all its files are private: databases and lakes create some files
        without a given mode. It is set here because Prefect workers are not started by the command line.

        Raises:
            ConfigurationError: the folder cannot be created or written.
        """
        os.umask(0o077)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.root, prefix=".probe-")
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"data folder {self.root}: cannot be written ({error.strerror}); choose another with --data-dir or "
                "PMFER_DATA_DIR"
            ) from None

    def require_room(self) -> None:
        """Fail early if the disk is too full for any night to finish.

        Raises:
            ConfigurationError: fewer than MIN_FREE_BYTES are free.
        """
        free = shutil.disk_usage(self.root).free
        if free < MIN_FREE_BYTES:
            raise ConfigurationError(
                f"data folder {self.root}: the disk is full ({free / 1e6:.0f} MB are free); make room and run again"
            )
