"""What one night is processed with: parameters and settings resolved into objects."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from flows.data_folder import DataFolder
from flows.retain_command import retention_of
from flows.settings import read_settings
from flows.warehouse_address import warehouse_address
from inference.options import ScoringOptions
from pmfer.bundle import Bundle, load_bundle
from warehouse.address import Address
from warehouse.queries import Provenance
from warehouse.retention import Retention


@dataclass(frozen=True)
class Job:
    """What a night is scored with and where its results go."""

    source: Path
    night: date
    data: DataFolder
    warehouse: Address  # with key and passwords, which are not shown
    bundle: Bundle  # verified
    options: ScoringOptions
    consent_required: bool  # whether a patient needs a record of consent beside the sidecar's
    retention: Retention  # how long what is kept
    provenance: Provenance  # identity of bundle and options; kept, because it takes hashing the detector's file


def make_job(
    source: Path,
    night: date,
    data_dir: Path,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: float | None = None,
) -> Job:
    """Resolve the parameters of a run; what is left out comes from the settings.

    Raises:
        BundleError: the bundle is missing or altered.
        ConfigurationError: a setting is wrong.
        WarehouseError: the address or the key of the warehouse is.
    """
    settings = read_settings(data_dir=data_dir, bundle=bundle, detector=detector, frames_per_second=frames_per_second)
    options = ScoringOptions(
        frames_per_second=settings.frames_per_second, detector=settings.detector, int8=settings.int8
    )
    verified = load_bundle(settings.bundle)
    provenance = Provenance(verified.digest, options.digest())
    data = DataFolder(settings.data_dir.absolute())
    return Job(
        source=source,
        night=night,
        data=data,
        warehouse=warehouse_address(settings),
        bundle=verified,
        options=options,
        consent_required=settings.consent_required,
        retention=retention_of(settings),
        provenance=provenance,
    )
