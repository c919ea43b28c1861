"""Monitoring of nights: the duration of their stages, a metrics file, and notices of how they ended.

The metrics are a Prometheus textfile for node_exporter's textfile collector. The file stays until the next night
replaces it, so an alert should watch `pmfer_last_success_timestamp_seconds`, to fire even if no night runs at all.
Notices go to anything that Apprise supports: mail, chat, a webhook. Neither names a patient. A failure of either is
logged as a warning and never fails a night.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flows.environment import set_up_worker, shown
from flows.logs import nameless_errors, without_identities
from flows.outcome import NightOutcome
from flows.request import RunRequest
from flows.settings import NoticeOf, Settings, proxy_variables
from flows.warehouse_access import warehouse_address
from pmfer.errors import PmferError, QuarantineReason
from warehouse import quarantine, runs
from warehouse.connection import open_reader
from warehouse.private_file import write_private

READABLE = 0o644  # the collector runs under another account, and the file holds no personal data
LOOK = "`pmfer status` and the log say more."
KEPT = f"What was stored is kept; correct the cause and run it again. {LOOK}"
NoticeKind = Literal["info", "success", "warning", "failure"]  # as Apprise names them

log = logging.getLogger("pmfer.monitoring")

# Seconds by stage, one value for each time it ran. Lists, because several sessions may be in the same stage at once.
_stages: ContextVar[dict[str, list[float]] | None] = ContextVar("pmfer_stages", default=None)
_metrics_off: ContextVar[bool] = ContextVar("pmfer_metrics_off", default=False)


@dataclass(frozen=True)
class NightFigures:
    """The figures of a night from the warehouse; None where there is nothing to count."""

    night: date
    sessions_found: int | None
    sessions_stored: int
    frames_sampled: int
    frames_scored: int
    video_s: float | None  # seconds of video
    abstention_share: float | None  # share of the sampled frames that have no scores, 0..1
    reports: int
    quarantined: Mapping[QuarantineReason, int]  # sessions of the night in quarantine


@dataclass(frozen=True)
class LastRun:
    """The last run according to the metrics file."""

    succeeded: bool
    ended_at: datetime
    last_success_at: datetime | None


def _replace_metrics(path: Path, succeeded: bool, run_s: float, figures: NightFigures | None) -> None:
    """Replace the file atomically by the metrics of a run that ends now, and make it readable by every account."""
    registry = CollectorRegistry()
    before, now = read_metrics(path), datetime.now(UTC)
    _gauge(registry, "last_run_success", "1 if the last run succeeded, else 0", float(succeeded))
    _gauge(registry, "last_run_timestamp_seconds", "when the last run ended", now.timestamp())
    _gauge(registry, "last_run_duration_seconds", "wall time of the last run", run_s)
    success = now if succeeded else before.last_success_at if before else None
    if success is not None:
        _gauge(registry, "last_success_timestamp_seconds", "when a run last succeeded", success.timestamp())
    stages = Gauge("pmfer_stage_duration_seconds", "wall time of the last run by stage", ["stage"], registry=registry)
    for stage, parts in (_stages.get() or {}).items():
        stages.labels(stage).set(sum(parts))
    if figures is not None:
        _add_figures(registry, figures)
    write_private(path, generate_latest(registry).decode())
    path.chmod(READABLE)


def read_metrics(path: Path) -> LastRun | None:
    """The last run according to the metrics file; None if the file is missing or not a metrics file."""
    try:
        families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
        values = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
        success = values.get("pmfer_last_success_timestamp_seconds")
        return LastRun(
            succeeded=bool(values["pmfer_last_run_success"]),
            ended_at=datetime.fromtimestamp(values["pmfer_last_run_timestamp_seconds"], UTC),
            last_success_at=None if success is None else datetime.fromtimestamp(success, UTC),
        )
    except (OSError, ValueError, KeyError):
        return None


def _add_figures(registry: CollectorRegistry, figures: NightFigures) -> None:
    night = datetime(figures.night.year, figures.night.month, figures.night.day, tzinfo=UTC)
    _gauge(registry, "night_timestamp_seconds", "the night that was processed, its day at 00:00 UTC", night.timestamp())
    _gauge(registry, "sessions_found", "sessions of the night in the source", figures.sessions_found)
    _gauge(registry, "sessions_scored", "sessions of the night with scores in the warehouse", figures.sessions_stored)
    _gauge(registry, "frames_sampled", "sampled frames of the night", figures.frames_sampled)
    _gauge(registry, "frames_scored", "scored frames of the night", figures.frames_scored)
    _gauge(registry, "video_seconds", "seconds of video of the night", figures.video_s)
    _gauge(
        registry, "abstention_ratio", "share of sampled frames of the night without scores", figures.abstention_share
    )
    _gauge(registry, "reports", "reports of the night", figures.reports)
    quarantined = Gauge(
        "pmfer_sessions_quarantined", "sessions of the night in quarantine, by reason", ["reason"], registry=registry
    )
    # Every reason has a line, even with 0: an alert cannot see a series rise that first appears with its first count.
    for reason in QuarantineReason:
        quarantined.labels(reason.value).set(figures.quarantined.get(reason, 0))


def _gauge(registry: CollectorRegistry, name: str, text: str, value: float | None) -> None:
    if value is not None:
        Gauge(f"pmfer_{name}", text, registry=registry).set(value)


def notify_failure(settings: Settings, what: str, error: BaseException, advice: str = KEPT) -> None:
    """Send a notice that something failed, if such notices are on.

    Args:
        settings: addresses, and which notices they get.
        what: what failed, such as `the night of 2026-03-02`.
        error: why.
        advice: what to do, in sentences.
    """
    reason = without_identities((str(error).splitlines() or [type(error).__name__])[0])
    body = f"{what[0].upper()}{what[1:]} failed: {reason}\n{advice}"
    _notify(settings, "failure", f"PMFER: {what} failed", body, "failure")


@contextmanager
def failure_noticed(settings: Settings, what: str) -> Iterator[None]:
    """If the block fails, send a notice: whoever relies on notices looks at no log. Nights are `watched` instead."""
    try:
        with nameless_errors():
            yield
    except Exception as error:
        notify_failure(settings, what, error, "Correct the cause and run it again. The log says more.")
        raise


def notify_end(settings: Settings, night: date, figures: NightFigures | None) -> None:
    """Send notices that a night ended and that too much of it is missing or unscored, if such notices are on.

    Args:
        settings: addresses, and which notices they get.
        night: the night.
        figures: of the night; None if no session of it was ever found.
    """
    missing = what_is_missing(figures, settings.notify_abstention_share)
    if missing is not None:
        title = f"PMFER: much of the night of {night} is missing"
        _notify(settings, "abstention", title, f"{missing} {LOOK}", "warning")
    body = "Nothing was to be done."
    if figures is not None:
        body = (
            f"{figures.sessions_stored} sessions scored, {sum(figures.quarantined.values())} quarantined, "
            f"{figures.reports} reports; {figures.frames_scored} of {figures.frames_sampled} sampled frames scored."
        )
    _notify(settings, "completion", f"PMFER: the night of {night} is done", body, "success")


def what_is_missing(figures: NightFigures | None, share: float) -> str | None:
    """Why a night says too little about its patients, as a sentence; None if it says enough.

    Args:
        figures: of the night; None if no session of it was ever found.
        share: share of the sampled frames without scores, 0..1, from which on it is too little.
    """
    if figures is None:
        return "The source has no recordings of it; the recorders or the connection to them may be down."
    if figures.abstention_share is None:
        return 'None of its sessions could be scored; see `pmfer sql "FROM quarantine"`.'
    if figures.abstention_share >= share:
        return (
            f"{figures.abstention_share:.0%} of the {figures.frames_sampled} sampled frames could not be scored. "
            "Cameras may be covered, turned or in the dark; the ward overview says where."
        )
    return None


def notify_test(settings: Settings) -> bool:
    """Send a test notice, whichever notices are on; return whether it was delivered to all addresses."""
    return _send(settings, "PMFER: a test", "This is a test; you need not do anything.", "info")


def unusable_addresses(settings: Settings) -> int:
    """The number of addresses that Apprise does not understand."""
    from apprise import Apprise

    return sum(not Apprise().add(url.get_secret_value()) for url in settings.notify_urls)


def _notify(settings: Settings, event: NoticeOf, title: str, body: str, kind: NoticeKind) -> None:
    if event in settings.notify_on:
        _send(settings, title, body, kind)


def _send(settings: Settings, title: str, body: str, kind: NoticeKind) -> bool:
    if not settings.notify_urls:
        return False
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType  # slow to import, and only needed here

    # Without Apprise's own images, which would be fetched from the Internet. The text is declared as plain, so that no
    # mail shows what an error quotes as markup.
    apprise = Apprise(asset=AppriseAsset(app_id="PMFER", image_url_mask="", image_url_logo="", async_mode=False))
    try:
        understood = [apprise.add(url.get_secret_value()) for url in settings.notify_urls]
        sent = any(understood) and bool(apprise.notify(body, title, NotifyType(kind), body_format=NotifyFormat.TEXT))
        delivered = sent and all(understood)
    except Exception as error:  # each service of Apprise has its own errors, and none may fail a night
        log.warning("the notification failed (%s); check PMFER_NOTIFY_URLS", type(error).__name__)
        return False
    if not delivered:
        proxies = ", ".join(sorted({shown(proxy) for kind, proxy in proxy_variables().items() if kind != "no"}))
        through = f" and the proxy {proxies}" if proxies else ""
        log.warning("a notice was not delivered; check PMFER_NOTIFY_URLS%s with `pmfer doctor --notify`", through)
    return delivered


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Add the time spent inside to a stage, if a night is being watched. Also works as a decorator."""
    began = time.monotonic()
    try:
        with nameless_errors():
            yield
    finally:
        stages = _stages.get()
        if stages is not None:
            stages.setdefault(name, []).append(time.monotonic() - began)


@contextmanager
def without_metrics() -> Iterator[None]:
    """Write no metrics for nights in the block, so that those of the scheduled night stay. Notices are still sent."""
    token = _metrics_off.set(True)
    try:
        yield
    finally:
        _metrics_off.reset(token)


def watched(function: Callable[[RunRequest, date], NightOutcome]) -> Callable[[RunRequest, date], NightOutcome]:
    """Decorate a night so that it writes its metrics and sends notices, whether a command or a worker runs it.

    A failure to do so is logged as a warning and is never an error.
    """

    @functools.wraps(function)
    def run(request: RunRequest, night: date) -> NightOutcome:
        settings = request.place()
        set_up_worker(settings)
        token, began = _stages.set({}), time.monotonic()
        try:
            with nameless_errors():
                outcome = function(request, night)
        except (KeyboardInterrupt, SystemExit):
            raise  # no notice is needed: somebody stopped it on purpose
        except BaseException as error:
            report_failure(settings, night, error, time.monotonic() - began)
            raise
        else:
            report_end(settings, outcome.night, time.monotonic() - began, done_before=outcome.idle)
            return outcome
        finally:
            _stages.reset(token)

    return run


def report_failure(settings: Settings, night: date | None, error: BaseException, run_s: float = 0.0) -> None:
    """Record a failure in the metrics file and send a notice."""
    _write(settings, False, run_s)
    notify_failure(settings, f"the night of {night}" if night else "a night", error)


def report_end(settings: Settings, night: date, run_s: float = 0.0, *, done_before: bool = False) -> None:
    """Write the figures of a finished night to the metrics file and send notices.

    With `done_before` there was nothing to do in this run; a notice is then sent only if no session was ever found.
    """
    try:
        figures = night_figures(settings, night)
    except PmferError as error:
        log.warning("no figures and no notice of %s: %s", night, error)
        _write(settings, True, run_s)
        return
    _write(settings, True, run_s, figures)
    if figures is None or not done_before:
        notify_end(settings, night, figures)


def night_figures(settings: Settings, night: date) -> NightFigures | None:
    """The figures of a night as readers see it; None if they see no such night.

    Raises:
        PmferError: the warehouse cannot be read.
    """
    with open_reader(warehouse_address(settings)) as reader:
        rows = runs.latest_nights(reader, 1, night)
        reasons = quarantine.of_night(reader, night)["reason"].to_list()
    if rows.is_empty():
        return None
    row: dict[str, Any] = rows.row(0, named=True)
    names = ("sessions_found", "sessions_stored", "frames_sampled", "frames_scored", "video_s", "abstention_share")
    return NightFigures(
        night=night,
        reports=row["reports"],
        quarantined={QuarantineReason(reason): reasons.count(reason) for reason in set(reasons)},
        **{name: row[name] for name in names},
    )


def metrics_path(settings: Settings) -> Path:
    """The path of the metrics file."""
    return settings.metrics_file or settings.data.metrics


def _write(settings: Settings, succeeded: bool, run_s: float, figures: NightFigures | None = None) -> None:
    if _metrics_off.get():
        return
    path = metrics_path(settings)
    try:
        _replace_metrics(path, succeeded, run_s, figures)
    except OSError as error:
        log.warning("metrics %s: cannot be written (%s); check the folder", path, error.strerror)
