"""The metrics of the last night: a Prometheus textfile for node_exporter's textfile collector. It names no patient.

The file stays until the next night replaces it, so an alert should watch `pmfer_last_success_timestamp_seconds`, to
fire even if no night runs at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flows.settings import Settings
from pmfer.errors import QuarantineReason
from warehouse.private_file import write_private

READABLE = 0o644  # the collector runs under another account, and the file holds no personal data


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
class NightMetrics:
    """The metrics of a run; `figures` is None if the run failed before there were any."""

    succeeded: bool
    ended_at: datetime
    run_s: float
    stages: Mapping[str, float] = field(default_factory=dict)  # seconds by stage
    figures: NightFigures | None = None


@dataclass(frozen=True)
class LastRun:
    """The last run according to the metrics file."""

    succeeded: bool
    ended_at: datetime
    last_success_at: datetime | None


def write_metrics(path: Path, metrics: NightMetrics) -> None:
    """Replace the file atomically, and make it readable by every account.

    Raises:
        OSError: it cannot be written.
    """
    registry = CollectorRegistry()
    before = read_metrics(path)
    _gauge(registry, "last_run_success", "1 if the last run succeeded, else 0", float(metrics.succeeded))
    _gauge(registry, "last_run_timestamp_seconds", "when the last run ended", metrics.ended_at.timestamp())
    _gauge(registry, "last_run_duration_seconds", "wall time of the last run", metrics.run_s)
    success = metrics.ended_at if metrics.succeeded else before.last_success_at if before else None
    if success is not None:
        _gauge(registry, "last_success_timestamp_seconds", "when a run last succeeded", success.timestamp())
    stages = Gauge("pmfer_stage_duration_seconds", "wall time of the last run by stage", ["stage"], registry=registry)
    for stage, seconds in metrics.stages.items():
        stages.labels(stage).set(seconds)
    if metrics.figures is not None:
        _add_figures(registry, metrics.figures)
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


def metrics_path(settings: Settings) -> Path:
    """The path of the metrics file."""
    return settings.metrics_file or settings.data.metrics
