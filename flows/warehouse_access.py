"""Access to the data folder and its warehouse, according to the settings, on behalf of the acting user."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flows.data_folder import DataFolder
from flows.inbox import take_over_consents, take_over_sessions
from flows.settings import Settings
from pmfer.errors import ConfigurationError
from warehouse.address import Address, FileAddress, S3Access, parse_address
from warehouse.connection import open_reader
from warehouse.encryption import checked_key, read_key_file
from warehouse.read_log import record_read
from warehouse.warehouse import Warehouse, Writer


def warehouse_address(settings: Settings) -> Address:
    """Address of the warehouse: PMFER_WAREHOUSE, or a file below the data folder.

    Raises:
        ConfigurationError: settings exclude each other, or one is missing.
        WarehouseError: the address or the key is malformed, or the key file cannot be used.
    """
    data = settings.data
    return parse_address(
        settings.warehouse or f"file:{data.warehouse}",
        published=data.published,
        lake=data.lake,
        key=_key(settings),
        s3=s3_access(settings),
    )


def _key(settings: Settings) -> str | None:
    if settings.warehouse_key is not None and settings.warehouse_key_file is not None:
        raise ConfigurationError("give PMFER_WAREHOUSE_KEY or PMFER_WAREHOUSE_KEY_FILE, not both")
    if settings.warehouse_key_file is not None:
        return read_key_file(settings.warehouse_key_file)
    if settings.warehouse_key is not None:
        return checked_key(settings.warehouse_key.get_secret_value(), "PMFER_WAREHOUSE_KEY")
    return None


def s3_server(settings: Settings) -> str:
    """URL of the object storage: the one in the settings, with https:// unless it names a scheme, or that of AWS."""
    endpoint = settings.s3_endpoint or f"s3.{settings.s3_region}.amazonaws.com"
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def s3_access(settings: Settings) -> S3Access | None:
    """Access to object storage, if the settings name a key.

    Raises:
        ConfigurationError: only one of the key's two parts is set.
    """
    if settings.s3_key_id is None and settings.s3_secret is None:
        return None
    if settings.s3_key_id is None or settings.s3_secret is None:
        raise ConfigurationError("PMFER_S3_KEY_ID and PMFER_S3_SECRET belong together; give both of them")
    return S3Access(settings.s3_key_id, settings.s3_secret.get_secret_value(), settings.s3_region, settings.s3_endpoint)


@dataclass(frozen=True)
class WarehouseAccess:
    """A data folder, its warehouse, and who uses them."""

    data: DataFolder
    warehouse: Address  # holds key and passwords, which its repr hides
    actor: str | None  # who acts, for the audit log and the read log; None: the account of this process
    consent_required: bool  # whether a patient needs a record of consent

    @contextmanager
    def writing(self, *, publishes: bool = True) -> Iterator[Writer]:
        """The warehouse, open for writing as the actor, after the inbox has been stored.

        Args:
            publishes: False if the result of the block is not for readers yet.

        Raises:
            WarehouseError: it cannot be opened, written or published, see warehouse.warehouse.Warehouse.write.
        """
        place = Warehouse(self.warehouse, self.data.audit_head, self.data.read_log)
        with place.write(self.actor, publishes=publishes) as writer:
            inbox = (writer.connection, self.data, self.warehouse.key)
            take_over_consents(*inbox)
            take_over_sessions(*inbox, consent_required=self.consent_required)
            yield writer

    def record_reading(self, action: str, /, **details: Any) -> None:
        """Add an entry to the read log, as the actor; see warehouse.read_log.record_read.

        Raises:
            WarehouseError: the log cannot be written. Nothing should be read then.
        """
        record_read(self.data.read_log, self.actor, action, **details)


def access_of(settings: Settings) -> WarehouseAccess:
    """Access to the data folder and warehouse that the settings name.

    Raises:
        ConfigurationError, WarehouseError: as for warehouse_address.
    """
    return WarehouseAccess(
        data=settings.data,
        warehouse=warehouse_address(settings),
        actor=settings.actor,
        consent_required=settings.consent_required,
    )


def require_existing(warehouse: Address) -> None:
    """Refuse an address without a warehouse, because opening it for writing would create one.

    Raises:
        ConfigurationError, WarehouseError: there is no warehouse.
    """
    if isinstance(warehouse, FileAddress):
        if not warehouse.path.is_file():
            raise ConfigurationError(f"{warehouse}: no warehouse there; name another --data-dir")
    else:
        open_reader(warehouse).close()
