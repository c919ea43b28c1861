"""Which notices are sent about a night, received by a real webhook on loopback, and which are not."""

import socket
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from notice_server import notice_server

from flows.metrics import NightFigures, metrics_path, read_metrics
from flows.monitoring import notify_end, notify_failure, report_end, what_is_missing
from flows.settings import Settings
from pmfer.errors import QuarantineReason, WarehouseError

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # one of Apprise's many services uses it
NIGHT = date(2026, 3, 2)
GOOD = NightFigures(NIGHT, 10, 8, 400, 380, 80.0, 0.05, 6, {QuarantineReason.TRUNCATED: 2})


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (("failure", "abstention", "completion"), ["failed", "is missing", "is done"]),
        (("completion",), ["is done"]),
        (("failure",), ["failed"]),
        ((), []),
    ],
)
def test_each_kind_of_notice_can_be_switched(wanted: tuple[str, ...], told: list[str]) -> None:
    with notice_server() as hook:
        settings = Settings(notify_urls=hook.url, notify_on=wanted)  # type: ignore[arg-type]
        notify_failure(settings, f"the night of {NIGHT}", WarehouseError("warehouse x: in use; wait"))
        notify_end(settings, NIGHT, replace(GOOD, abstention_share=0.9))
    assert [title.removeprefix("PMFER: ").split("2026-03-02 ")[1] for title in hook.titles] == told


def test_a_notice_says_what_was_done_and_where(tmp_path: Path) -> None:
    with notice_server() as hook:
        settings = Settings(notify_urls=hook.url, notify_on="completion", data_dir=tmp_path)  # type: ignore[arg-type]
        notify_end(settings, NIGHT, GOOD)
    (notice,) = hook.notices
    assert notice["type"] == "success"
    assert notice["message"].splitlines() == [
        "8 sessions scored, 2 quarantined, 6 reports; 380 of 400 sampled frames scored.",
        f"Data folder {tmp_path} on {socket.gethostname()}.",
    ]


def test_what_an_error_quotes_is_no_markup_in_a_mail() -> None:
    with notice_server() as hook:
        settings = Settings(notify_urls=f"{hook.url}?format=html")  # type: ignore[arg-type]  # as mail is by default
        notify_failure(settings, f"the night of {NIGHT}", WarehouseError("warehouse <img src=x>: does not exist"))
    (notice,) = hook.notices
    assert "<img" not in notice["message"]
    assert "&lt;img" in notice["message"]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (GOOD, None),
        (replace(GOOD, abstention_share=0.5), "50%"),
        (replace(GOOD, sessions_stored=0, frames_sampled=0, abstention_share=None), "None of its sessions"),
        (None, "has no recordings"),
    ],
)
def test_a_night_of_which_much_is_missing_says_what(figures: NightFigures | None, said: str | None) -> None:
    missing = what_is_missing(figures, 0.5)
    assert missing is None if said is None else said in (missing or "")


def test_a_night_whose_figures_cannot_be_read_is_not_called_missing(tmp_path: Path) -> None:
    with notice_server() as hook:
        settings = Settings(data_dir=tmp_path, notify_urls=hook.url)  # type: ignore[arg-type]
        report_end(settings, NIGHT)  # there is no warehouse
    assert hook.titles == []
    written = read_metrics(metrics_path(settings))
    assert written is not None
    assert written.succeeded


def test_a_hook_that_is_down_ends_nothing() -> None:
    with notice_server() as hook:
        pass
    notify_failure(Settings(notify_urls=hook.url), "a night", WarehouseError("down"))  # type: ignore[arg-type]
