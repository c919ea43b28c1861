"""From settings to the address of the warehouse, with what it takes to open it."""

from flows.data_folder import DataFolder
from flows.settings import Settings
from pmfer.errors import ConfigurationError
from warehouse.address import Address, S3Access, parse_address
from warehouse.encryption import checked_key, read_key_file


def warehouse_address(settings: Settings) -> Address:
    """Address of the warehouse: PMFER_WAREHOUSE, or a file below the data folder.

    Raises:
        ConfigurationError: settings exclude each other, or one is missing.
        WarehouseError: the address or the key has not the right form, or the key's file cannot be used.
    """
    data = DataFolder(settings.data_dir.absolute())
    return parse_address(
        settings.warehouse or f"file:{data.warehouse}",
        published=data.published,
        lake=data.lake,
        key=_key(settings),
        s3=s3_access(settings),
    )


def _key(settings: Settings) -> str | None:
    if settings.warehouse_key is not None and settings.warehouse_key_file is not None:
        raise ConfigurationError("PMFER_WAREHOUSE_KEY and PMFER_WAREHOUSE_KEY_FILE exclude each other; give one")
    if settings.warehouse_key_file is not None:
        return read_key_file(settings.warehouse_key_file)
    if settings.warehouse_key is not None:
        return checked_key(settings.warehouse_key.get_secret_value(), "PMFER_WAREHOUSE_KEY")
    return None


def s3_server(settings: Settings) -> str:
    """URL of the object storage: that of the settings, TLS being understood, or that of AWS."""
    endpoint = settings.s3_endpoint or f"s3.{settings.s3_region}.amazonaws.com"
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def s3_access(settings: Settings) -> S3Access | None:
    """Access to object storage, if the settings name a key.

    Raises:
        ConfigurationError: the key's two parts are not both there.
    """
    if settings.s3_key_id is None and settings.s3_secret is None:
        return None
    if settings.s3_key_id is None or settings.s3_secret is None:
        raise ConfigurationError("PMFER_S3_KEY_ID and PMFER_S3_SECRET belong together; give both of them")
    return S3Access(settings.s3_key_id, settings.s3_secret.get_secret_value(), settings.s3_region, settings.s3_endpoint)
