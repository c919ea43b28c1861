"""Settings: their order of precedence, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.data_folder import DataFolder
from flows.environment import prefect_home, prefect_server
from flows.printing import printing_of
from flows.settings import origins, read_settings
from pmfer.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_option_counts_before_the_environment_before_dotenv_before_toml(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "pmfer.toml").write_text('actor = "toml"\nbundle = "toml"\ndetector = "toml"\ns3_region = "toml"\n')
    (elsewhere / ".env").write_text("PMFER_ACTOR=dotenv\nPMFER_BUNDLE=dotenv\nPMFER_DETECTOR=dotenv\n")
    monkeypatch.setenv("PMFER_ACTOR", "environment")
    monkeypatch.setenv("PMFER_BUNDLE", "environment")
    settings = read_settings(actor="option")
    chosen = (settings.actor, settings.bundle, settings.detector, settings.s3_region, settings.frames_per_second)
    assert chosen == ("option", "environment", "dotenv", "toml", 5.0)
    places = origins(actor="option")
    names = ("actor", "bundle", "detector", "s3_region", "frames_per_second")
    assert [places[name] for name in names] == ["option", "environment", ".env", "pmfer.toml", "default"]


def test_an_unknown_variable_is_refused_with_what_was_perhaps_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMFER_DATADIR", "somewhere")
    with pytest.raises(ConfigurationError, match=r"PMFER_DATADIR in environment.*is it PMFER_DATA_DIR\?"):
        read_settings()


def test_an_unknown_key_of_a_file_is_refused_by_file_and_key(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("PMFER_SAUCE=x\nPREFECT_API_URL=http://other\n")
    with pytest.raises(ConfigurationError, match=r"PMFER_SAUCE in \.env"):
        read_settings()
    (elsewhere / ".env").unlink()
    (elsewhere / "pmfer.toml").write_text("retain_frame_days = 3\n")
    with pytest.raises(ConfigurationError, match=r"retain_frame_days in pmfer\.toml.*is it retain_frames_days\?"):
        read_settings()


def test_what_others_keep_in_dotenv_is_left_alone(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:4200/api\nPMFER_HOME=/opt/pmfer\n")
    assert read_settings().bundle == "pmfer-compact"
    assert prefect_server() == "http://127.0.0.1:4200/api"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frames_per_second = 0", r"PMFER_FRAMES_PER_SECOND in pmfer\.toml: .*greater than or equal to 0\.01"),
        ("frames_per_second = 2000", r"PMFER_FRAMES_PER_SECOND in pmfer\.toml: .*less than or equal to 1000"),
        ("video_cpu_s = 9223372036854775807", r"PMFER_VIDEO_CPU_S in pmfer\.toml: .*less than or equal to 1000000000"),
        ("video_memory_bytes = 6", r"PMFER_VIDEO_MEMORY_BYTES in pmfer\.toml: .*greater than or equal to 1073741824"),
        ("video_memory_bytes = 9223372036854775808", r"PMFER_VIDEO_MEMORY_BYTES in pmfer\.toml: .*less than or equal"),
        ("retain_sessions_days = 800000", r"PMFER_RETAIN_SESSIONS_DAYS in pmfer\.toml: .*less than or equal to 36500"),
        ("shard_s = inf", r"PMFER_SHARD_S in pmfer\.toml: .*finite"),
        ('log_format = "xml"', r"PMFER_LOG_FORMAT in pmfer\.toml"),
        ("notify_on = [", r"not a TOML file"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(elsewhere: Path, text: str, said: str) -> None:
    (elsewhere / "pmfer.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_settings()


def test_a_file_that_is_named_must_be_there(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMFER_CONFIG", str(elsewhere / "house.toml"))
    with pytest.raises(ConfigurationError, match=r"house\.toml: no such file"):
        read_settings()
    (elsewhere / "house.toml").write_text("retain_frames_days = 90\n")
    assert read_settings().retain_frames_days == 90


def test_a_path_below_the_home_folder_is_meant_as_in_a_shell(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(elsewhere / "home"))
    (elsewhere / "pmfer.toml").write_text('data_dir = "~/pmfer"\nsource = "~/recordings"\nbackup_to = "a~"\n')
    settings = read_settings()
    assert settings.data_dir == elsewhere / "home" / "pmfer"
    assert settings.source == str(elsewhere / "home" / "recordings")
    assert settings.backup_to == Path("a~")


def test_a_recipients_password_may_be_in_dotenv(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("PMFER_PASSWORD_ASH=three words together\n")
    (elsewhere / "recipients.toml").write_text(
        '[[recipient]]\nname = "ash"\npassword_variable = "PMFER_PASSWORD_ASH"\n'
    )
    (elsewhere / "recipients.toml").chmod(0o600)
    printing = printing_of(read_settings(report_recipients=elsewhere / "recipients.toml"))
    assert [recipient.name for recipient in printing.recipients] == ["ash"]


def test_what_is_empty_counts_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMFER_WAREHOUSE", "")
    assert read_settings().warehouse is None


def test_prefect_keeps_its_state_where_prefect_home_says(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataFolder(elsewhere / "data")
    monkeypatch.setenv("PREFECT_HOME", "")
    assert prefect_home(data) == data.prefect_home
    (elsewhere / ".env").write_text("PREFECT_HOME=in-the-file\n")
    assert prefect_home(data) == elsewhere / "in-the-file"
    monkeypatch.setenv("PREFECT_HOME", str(elsewhere / "in-the-environment"))
    assert prefect_home(data) == elsewhere / "in-the-environment"


QUIET = """
import logging, sys
from pathlib import Path
from flows.environment import prepare_prefect
from flows.settings import read_settings
prepare_prefect(read_settings(data_dir=Path(sys.argv[1])))
from prefect.logging.configuration import setup_logging
setup_logging()
for name in ("sqlalchemy.pool", "prefect.flow_runs"):
    logging.getLogger(name).error("a traceback that the command says in one line, or that means nothing")
"""


def test_prefect_and_its_libraries_keep_their_tracebacks_to_themselves(tmp_path: Path) -> None:
    command = [sys.executable, "-c", QUIET, str(tmp_path / "prefect")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
