"""The job of one night: its request and settings resolved into objects."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from flows.data_folder import DataFolder
from flows.environment import proxy_of, require_usable
from flows.printing import Printing, printing_of
from flows.privacy.retention import retention_of
from flows.request import RunRequest
from flows.settings import Dispatch, Settings, limits_of
from flows.sources.location import SourceAccess
from flows.sources.source import Source
from flows.warehouse_access import WarehouseAccess, s3_access, s3_server, warehouse_address
from inference.hardware import side_by_side
from inference.options import CENTERFACE, ScoringOptions, VideoLimits
from pmfer.bundle import Bundle, load_bundle
from warehouse.address import Address
from warehouse.queries import Provenance
from warehouse.retention import Retention


@dataclass(frozen=True)
class Job:
    """What a night is scored with and where its results go."""

    request: RunRequest  # the original one
    source: Source
    night: date
    data: DataFolder
    warehouse: Address  # holds key and passwords, which its repr hides
    bundle: Bundle  # verified
    options: ScoringOptions
    limits: VideoLimits  # what one video may take
    actor: str | None  # who acts, for the audit log; None: the account of this process
    consent_required: bool  # whether a patient needs a record of consent in addition to the sidecar's
    retention: Retention  # how long each kind of data is kept
    printing: Printing  # how reports are written; holds the recipients' passwords, which its repr hides
    dispatch: Dispatch  # who scores
    shard_s: float  # estimated seconds of video in one shard
    scoring_processes: int  # processes that score at the same time, one video each, if this process scores
    provenance: Provenance  # identity of bundle and options; kept here because computing it hashes the detector's file

    @property
    def access(self) -> WarehouseAccess:
        """Access to the warehouse as the job's actor."""
        return WarehouseAccess(self.data, self.warehouse, self.actor, self.consent_required)


def make_job(request: RunRequest, night: date) -> Job:
    """Resolve a request; whatever it leaves out comes from the settings.

    Raises:
        BundleError: the bundle is missing or altered.
        ConfigurationError: a setting is wrong, or a recipient's password is missing.
        WarehouseError: the address or the key of the warehouse is wrong.
    """
    settings = request.settings()
    return job_of(request, settings, night, load_bundle(settings.bundle), options_of(settings))


def options_of(settings: Settings) -> ScoringOptions:
    """The scoring options that the settings ask for.

    Raises:
        ConfigurationError: an option is out of its range.
    """
    return ScoringOptions(
        frames_per_second=settings.frames_per_second,
        # An absolute path, because workers run in other working directories.
        detector=settings.detector if settings.detector == CENTERFACE else str(Path(settings.detector).absolute()),
        int8=settings.scores_in_int8,
    )


def job_of(request: RunRequest, settings: Settings, night: date, bundle: Bundle, options: ScoringOptions) -> Job:
    """A job with a given bundle and given options; the rest comes from the settings.

    Raises:
        ConfigurationError: a setting is wrong, or a recipient's password or the detector's file is missing.
        WarehouseError: the address or the key of the warehouse is wrong.
    """
    return Job(
        request=request,
        source=source_of(settings, request.source),
        night=night,
        data=settings.data,
        warehouse=warehouse_address(settings),
        bundle=bundle,
        options=options,
        limits=limits_of(settings),
        actor=settings.actor,
        consent_required=settings.consent_required,
        retention=retention_of(settings),
        printing=printing_of(settings),
        dispatch=settings.dispatch,
        shard_s=settings.shard_s,
        scoring_processes=settings.scoring_processes or side_by_side(),
        provenance=Provenance(bundle.digest, options.digest()),
    )


def source_of(settings: Settings, url: str) -> Source:
    """The source at a URL, with the access that the settings give.

    Raises:
        ConfigurationError: it is behind a proxy that is not supported.
    """
    proxy = None
    if urlsplit(url).scheme == "s3":
        server = s3_server(settings)
        require_usable(server, any_kind=False)
        proxy = proxy_of(server, any_kind=False)
    access = SourceAccess(
        proxy=proxy,
        s3=s3_access(settings),
        s3_endpoint=settings.s3_endpoint,
        sftp_key_file=settings.sftp_key_file,
        sftp_known_hosts=settings.sftp_known_hosts,
    )
    return Source(
        url=url,
        access=access,
        settle_s=settings.source_settle_s,
        done_marker=settings.source_done_marker,
        max_bytes=settings.video_max_bytes,
    )
