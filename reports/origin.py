"""What a report's numbers come from: model, prompts, options, software. Printed on every page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The origin of every number in a report."""

    bundle_name: str | None  # None while the bundle has scored nothing here
    bundle_id: str  # digest of the bundle card, 64 hex digits
    prompt_set_sha256: str | None  # 64 hex digits; None likewise
    options_sha256: str  # 64 hex digits
    frames_per_second: float | None  # sampling rate; None: every frame
    scored_by: str  # version of the software that ran the scoring
    software: str  # version of the software that made the report
