"""Check everything that a night needs. Each check says what it found and, if something is wrong, what to do.

Nothing is changed: the data folder is probed with a temporary file, and the warehouse is opened as readers open it.
"""

import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from importlib import import_module
from pathlib import Path

from flows.environment import NO_HOME, faulty_proxies, prefect_server, unreachable_proxies
from flows.job import options_of, source_of
from flows.monitoring import notify_test, unusable_addresses
from flows.prefect_server import login_to_server, server_fault, usual_server
from flows.settings import DOTENV, Settings, config_file, proxy_variables, read_settings
from flows.sources.names import lookalikes
from flows.sources.source import look_at
from flows.warehouse_access import warehouse_address
from inference.detect import open_detector
from inference.hardware import cuda_device_count, runtime_rival
from pmfer.bundle import load_bundle
from pmfer.errors import PmferError, WarehouseError
from reports.fonts import FONT_FILES, font_path
from reports.measures import DEFAULT_THRESHOLDS
from warehouse import queries, runs
from warehouse.address import FileAddress
from warehouse.connection import WRITTEN_BY_OTHERS, is_made, is_published, is_written_by_others, open_reader
from warehouse.contracts import broken_contracts
from warehouse.queries import Provenance

GIB = 1 << 30
DISK_WARNING_BYTES = 10 * GIB  # a ward's night stages a few videos at a time and publishes a copy of the warehouse
DISK_BROKEN_BYTES = GIB
SKEW_WARNING_S = 2.0  # between this machine's clock and that of the file system below the data folder
OTHERS = 0o007  # the group may read: in the runbook the files belong to root and the service's group
LOOKED_BACK = timedelta(days=DEFAULT_THRESHOLDS.max_baseline_days)  # older days are not part of a new baseline
OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)  # older than this release, so an earlier time is wrong


class Grade(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"  # a night would run, but somebody should look
    BROKEN = "broken"  # a night would not run, or not finish


@dataclass(frozen=True)
class Diagnosis:
    """What one check found."""

    name: str
    state: Grade
    text: str  # what was found and, unless the state is ok, what to do


Result = tuple[Grade, str]
Check = Callable[[Settings], Result]


def diagnose(overrides: dict[str, object], *, notify: bool = False) -> Iterator[Diagnosis]:
    """Run all checks in order. If the settings cannot be read, nothing else is checked.

    Args:
        overrides: command-line options by name of the setting; None: not given.
        notify: also send a test notice to the configured addresses.
    """
    try:
        settings = read_settings(**overrides)
    except PmferError as error:
        yield Diagnosis("settings", Grade.BROKEN, str(error))
        return
    for name, check in CHECKS.items():
        try:
            yield Diagnosis(name, *check(settings))
        except PmferError as error:
            yield Diagnosis(name, Grade.BROKEN, str(error))
        except OSError as error:
            yield Diagnosis(name, Grade.BROKEN, f"{error.filename or name}: {error.strerror}; grant access")
    if notify:
        if notify_test(settings):
            yield Diagnosis("notice", Grade.OK, "a test notice was delivered")
        else:
            yield Diagnosis("notice", Grade.BROKEN, "a test notice was not delivered; check PMFER_NOTIFY_URLS")


def check_settings(settings: Settings) -> Result:
    """Whether the files that may hold secrets are private."""
    files = [DOTENV, config_file(), *([settings.warehouse_key_file] if settings.warehouse_key_file else [])]
    for path in files:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & OTHERS:
            return Grade.WARNING, f"{path}: every account can read it; forbid that with `chmod o= {path}`"
    return Grade.OK, "readable; `pmfer config` shows them"


def check_account(settings: Settings) -> Result:
    """Whether the account of this process has a name and a home folder."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"number {os.geteuid()}, which has no name on this system"
    if Path.home() == Path(NO_HOME):
        return Grade.WARNING, f"account {name}: no home folder; nights run without, but set HOME if you keep keys there"
    return Grade.OK, f"account {name}, home folder {Path.home()}"


def check_data(settings: Settings) -> Result:
    """Whether the data folder can be written."""
    data = settings.data
    if not data.root.exists():
        above = next(path for path in data.root.parents if path.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            return Grade.BROKEN, f"{data.root} cannot be made in {above}; make it and give it to this account"
        return Grade.OK, f"{data.root} is made by the first night"
    data.require_writable()
    if stat.S_IMODE(data.root.stat().st_mode) & 0o077:
        return Grade.WARNING, f"{data.root}: others have access; make it private with `chmod 700 {data.root}`"
    return Grade.OK, f"{data.root} can be written"


def check_disk(settings: Settings) -> Result:
    """Whether there is enough disk space for the data folder."""
    free = shutil.disk_usage(_existing(settings.data.root)).free
    text = f"{free / GIB:.1f} GiB free for {settings.data_dir}"
    if free < DISK_WARNING_BYTES:
        state = Grade.BROKEN if free < DISK_BROKEN_BYTES else Grade.WARNING
        return state, f"{text}; make room, shorten PMFER_RETAIN_..._DAYS or move the data folder"
    return Grade.OK, text


def check_source(settings: Settings) -> Result:
    """Whether the source can be listed, and is not an empty mount point."""
    if settings.source is None:
        return Grade.WARNING, "PMFER_SOURCE is not set; each command needs --source"
    source, yesterday = source_of(settings, settings.source), date.today() - timedelta(days=1)
    found = look_at(source)
    found.require_nights_of(_nights_with_recordings(settings), source, yesterday)
    if not found.nights:
        return Grade.WARNING, f"{settings.source}: is empty; see that it is mounted, if recordings should be there"
    nights = sorted(found.nights)
    text = f"{settings.source}: {len(nights)} night{'s' * (len(nights) > 1)}, the last {nights[-1]}"
    if found.misnamed:
        some = f"{len(found.misnamed)} folders are not read, such as '{min(found.misnamed)}'"
        return Grade.WARNING, f"{text}; {some}: name them YYYY-MM-DD"
    return Grade.OK, text


def check_bundle(settings: Settings) -> Result:
    """Whether the bundle is unaltered."""
    bundle = load_bundle(settings.bundle)
    return Grade.OK, f"{bundle.card.name}, verified, digest {bundle.digest[:12]}"


def check_detector(settings: Settings) -> Result:
    """Whether the face detector opens."""
    return Grade.OK, f"{open_detector(options_of(settings), 1).name} opens"


def check_gpu(settings: Settings) -> Result:
    """Whether ONNX Runtime can use the GPUs of this machine, if there are any."""
    import onnxruntime

    rival = runtime_rival()
    if rival:
        return Grade.WARNING, rival
    devices, providers = cuda_device_count(), onnxruntime.get_available_providers()
    if devices and "CUDAExecutionProvider" not in providers:
        return Grade.WARNING, f"{devices} CUDA devices that ONNX Runtime cannot use; install the project again"
    return Grade.OK, f"{devices} CUDA devices" if devices else "no CUDA device; the CPU scores"


def check_warehouse(settings: Settings) -> Result:
    """Whether readers can open the warehouse, its schema is this release's, and its contracts hold.

    Contracts are checked only over data that no earlier check covered.
    """
    address = warehouse_address(settings)
    if isinstance(address, FileAddress) and address.path.exists() and not address.published.exists():
        return Grade.WARNING, f"{address}: nothing is published yet; run the night again"
    if not is_made(address):
        return Grade.OK, f"{address} is made by the first night"
    with open_reader(address) as reader:
        breaches = broken_contracts(reader, everything=False)
        last = runs.latest_runs(reader, 1)
    if breaches:
        what = "; ".join(breach.sentence for breach in breaches)
        return (
            Grade.BROKEN,
            f"{address}: contracts do not hold: {what}; see `pmfer warehouse check` and docs/runbook.md",
        )
    if isinstance(address, FileAddress) and is_written_by_others(address.published):
        return Grade.WARNING, f"{address.published}: {WRITTEN_BY_OTHERS}"
    night = last["night"].item() if last.height else "none yet"
    return Grade.OK, f"{address}: opens, contracts hold, last night {night}"


def check_baseline(settings: Settings) -> Result:
    """Whether recent nights that the current model has not scored are still in the source and can be scored again.

    Until enough days are scored with the current model, patients have no usual range to be compared with, for at least
    a week.
    """
    address = warehouse_address(settings)
    if settings.source is None or not is_published(address):
        return Grade.OK, "nothing needs to be scored again"
    scoring = Provenance(load_bundle(settings.bundle).digest, options_of(settings).digest())
    with open_reader(address) as reader:
        nights = runs.nights_scored_otherwise(reader, scoring)
    try:
        in_source = look_at(source_of(settings, settings.source)).nights
    except PmferError:
        return Grade.OK, "not checked, because the source cannot be listed"
    since = max(in_source, default=date.max) - LOOKED_BACK
    left = [night for night in nights if night in in_source and night >= since]
    if not left:
        return Grade.OK, "this model has scored all nights of the last weeks that are in the source"
    span = f"--from {left[0]} --to {left[-1]}"
    count = f"{len(left)} nights of the last weeks were" if len(left) > 1 else "1 night of the last weeks was"
    return (
        Grade.WARNING,
        f"{count} scored with another model or other options, and recordings of it are still there: `pmfer backfill "
        f"{span}` scores them again, so that nobody waits for a new usual range",
    )


def _nights_with_recordings(settings: Settings) -> list[date]:
    """Nights that readers see recordings of; empty if the warehouse cannot be read, which check_warehouse reports."""
    address = warehouse_address(settings)
    if not is_published(address):
        return []
    with suppress(WarehouseError), open_reader(address) as reader:
        return queries.nights_with_recordings(reader)
    return []


def check_patients(settings: Settings) -> Result:
    """Whether patients have ids that are not easily confused."""
    address = warehouse_address(settings)
    if not is_published(address):
        return Grade.OK, "nothing is published yet"
    with open_reader(address) as reader:
        alike = lookalikes(known := queries.patient_ids(reader))
    if alike:
        groups = "; ".join(" and ".join(group) for group in alike)
        return Grade.WARNING, f"ids differ in upper and lower case only: {groups}; see `patient_id` in docs/source.md"
    return Grade.OK, f"{len(known)} on record, no two ids alike"


def check_fonts(settings: Settings) -> Result:
    """Whether the fonts and the libraries that draw pages are installed."""
    for name in FONT_FILES:
        font_path(name)
    try:
        import_module("reports.render")
    except OSError as error:
        what = str(error).splitlines()[0]
        return Grade.BROKEN, f"the libraries that draw pages are missing ({what}); run scripts/check_system.sh"
    return Grade.OK, f"{len(FONT_FILES)} typefaces and the libraries for drawing pages"


def check_clock(settings: Settings) -> Result:
    """Whether the clock is set and agrees with the file system's clock."""
    now = datetime.now().astimezone()
    if now < OLDEST_CLOCK:
        return Grade.BROKEN, f"the clock says {now:%Y-%m-%d %H:%M}; set it, with `timedatectl set-ntp true`"
    skew, folder = 0.0, _existing(settings.data.root)
    # If it cannot be written, check_data says so.
    with suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as probe:
        skew = Path(probe.name).stat().st_mtime - time.time()
    if abs(skew) > SKEW_WARNING_S:
        return Grade.WARNING, f"the file system's clock differs by {skew:+.1f} s; keep both machines on NTP"
    return Grade.OK, f"{now:%Y-%m-%d %H:%M} {now.tzname()}, UTC{now:%z}"


def check_prefect(settings: Settings) -> Result:
    """Whether the Prefect server, named or at the default URL, answers, and only clients that know its secret."""
    url = prefect_server() or usual_server()
    if not url:
        return Grade.OK, "no PREFECT_API_URL; nights run without Prefect's server"
    trouble = server_fault(url, login_to_server(settings))
    return (Grade.BROKEN, trouble) if trouble else (Grade.OK, f"{url} answers, and only to those who know its secret")


def check_proxies(settings: Settings) -> Result:
    """Whether the proxies that the environment names are supported and accept connections."""
    for name, proxy, why in faulty_proxies():
        return Grade.WARNING, f"{name} {proxy}: {why}; give an http:// proxy or unset it. This machine needs none"
    for proxy in unreachable_proxies():
        return Grade.WARNING, f"{proxy}: accepts no connection; other machines cannot be reached through it"
    kinds = [kind for kind in proxy_variables() if kind in ("http", "https", "all")]
    return Grade.OK, f"used for {', '.join(kinds)}, never for this machine" if kinds else "none"


def check_notices(settings: Settings) -> Result:
    """Whether Apprise understands the addresses for notices; nothing is sent."""
    if not settings.notify_urls:
        return Grade.WARNING, "PMFER_NOTIFY_URLS is not set; nobody gets a notice if a night fails"
    wrong = unusable_addresses(settings)
    if wrong:
        return Grade.BROKEN, f"{wrong} of {len(settings.notify_urls)} addresses of PMFER_NOTIFY_URLS are not understood"
    return Grade.OK, f"{len(settings.notify_urls)} addresses get notices: {', '.join(settings.notify_on) or 'none'}"


CHECKS: dict[str, Check] = {
    "settings": check_settings,
    "account": check_account,
    "data folder": check_data,
    "disk": check_disk,
    "source": check_source,
    "bundle": check_bundle,
    "detector": check_detector,
    "gpu": check_gpu,
    "warehouse": check_warehouse,
    "patients": check_patients,
    "baseline": check_baseline,
    "fonts": check_fonts,
    "clock": check_clock,
    "proxies": check_proxies,
    "prefect": check_prefect,
    "notices": check_notices,
}


def _existing(path: Path) -> Path:
    """The folder itself, or its nearest parent that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
