"""Log lines: which identities are struck out, what is named, and where a progress bar is shown."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.logging import RichHandler

from flows.logs import (
    OwnWords,
    hide,
    log_context,
    session_label,
    session_progress,
    set_up_logs,
    without_identities,
    writes_json,
)
from flows.settings import Settings
from pmfer.errors import QuarantineReason


@pytest.fixture(autouse=True)
def unchanged_logger() -> Iterator[logging.Logger]:
    log = logging.getLogger("pmfer")
    handlers, level = log.handlers, log.level
    log.handlers = []
    yield log
    log.handlers, log.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_names_run_session_and_shard_while_they_last(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_format="json"))
    log = logging.getLogger("pmfer.sample")
    with log_context(run="r1", shard="3"):
        with log_context(session=session_label("0123456789abcdef" * 4)):
            log.info("inner")
        log.warning("outer")
    log.info("after")
    inner, outer, after = lines(capsys)
    assert (inner["run"], inner["shard"], inner["session"]) == ("r1", "3", "0123456789ab")
    assert (outer["level"], outer["run"], "session" in outer) == ("WARNING", "r1", False)
    assert "run" not in after


def test_identities_are_struck_out_of_messages_arguments_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_format="json"))
    hide(["p1", "birch-01", "birch-01b", None, "Ada Moss.mp4"])
    try:
        raise ValueError("birch-01b is unknown")
    except ValueError:
        logging.getLogger("pmfer.sample").exception(
            "%s and %s", "reports/birch-01.pdf", "p1, not mp11, in Ada Moss.mp4"
        )
    (line,) = lines(capsys)
    assert line["message"] == "reports/[patient].pdf and [patient], not mp11, in [patient]"
    assert "ValueError: [patient] is unknown" in line["traceback"]


def test_our_own_words_stay_whatever_a_session_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_format="json"))
    logging.getLogger("pmfer").addHandler(logging.StreamHandler(io.StringIO()))  # as Prefect's: two filters, one record
    hide(["scored", "scored.mp4", "1", "no_consent", "bed7", "patient", "3"])
    log = logging.getLogger("pmfer.sample")
    log.info("%d of %d sessions scored in %.1f s", 1, 3, 3.0)
    log.info("%s", OwnWords("1 of 3 sessions scored"))
    log.info("quarantined: %s", QuarantineReason.NO_CONSENT)
    log.info("%s", OSError("scored.mp4: bed7 was scored, embed77 was rescored"))
    assert [line["message"] for line in lines(capsys)] == [
        "1 of 3 sessions scored in 3.0 s",
        "1 of 3 sessions scored",
        "quarantined: no_consent",
        "[patient]: [patient] was [patient], embed77 was rescored",
    ]


@pytest.mark.parametrize(
    ("identity", "text", "clean"),
    [
        ("bed", "bedding in bed, bed.json, /bed/embed", "bedding in [patient], [patient].json, /[patient]/embed"),
        ("a+b (c)", "xa+b (c) or a+b (c)?", "xa+b (c) or [patient]?"),
        ("[x]", "a[x]b", "a[patient]b"),
        ("Süd", "Südseite Süd", "Südseite [patient]"),
        ("1.0", "1.00, 1x0, 11.0, 1.0", "1.00, 1x0, 11.0, [patient]"),
        ("p_1", "p_1 p_11 p_1-b", "[patient] p_11 [patient]-b"),
    ],
)
def test_a_name_is_struck_out_where_it_stands_by_itself(identity: str, text: str, clean: str) -> None:
    set_up_logs(Settings())
    hide([identity])
    assert without_identities(text) == clean


def test_those_of_one_night_are_forgotten_with_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    hide(["birch-01"])
    hide(["cedar-02"])
    assert without_identities("birch-01 cedar-02") == "birch-01 [patient]"


def test_a_handler_of_prefect_stays_and_is_told_no_identity_either() -> None:
    stream = io.StringIO()
    others = logging.StreamHandler(stream)
    logging.getLogger("pmfer").addHandler(others)
    set_up_logs(Settings())
    set_up_logs(Settings())
    hide(["birch-01"])
    logging.getLogger("pmfer.sample").info("%s is here", "birch-01")
    assert stream.getvalue() == "[patient] is here\n"
    assert [handler.name for handler in logging.getLogger("pmfer").handlers].count("pmfer") == 1


def test_people_get_lines_and_machines_json(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_level="WARNING"))
    assert not writes_json()
    logging.getLogger("pmfer.sample").info("too little")
    logging.getLogger("pmfer.sample").warning("worth a line [red]")
    out = capsys.readouterr().out
    assert "worth a line [red]" in out
    assert "too little" not in out


def test_where_nobody_watches_a_record_is_one_line_with_its_day(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    for number in range(2):
        logging.getLogger("pmfer.sample").info("%d [red] :smile: %s", number, "x" * 200)
    shown = capsys.readouterr().out.splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in shown] == [
        f"{number} [red] :smile: {'x' * 200}" for number in range(2)
    ]


def test_a_terminal_shows_sessions_and_seconds_of_video(unchanged_logger: logging.Logger) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    unchanged_logger.handlers = [RichHandler(console=console)]
    with session_progress(2) as advance:
        advance(61.4)
        advance(0.0)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "2/2 sessions, 61 s of video" in shown


def test_elsewhere_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    with session_progress(2) as advance:
        advance(1.0)
    assert capsys.readouterr().out == ""
