"""Recipients of reports are listed in a file of the facility, and their passwords are kept in separate files."""

from pathlib import Path

import pytest

from flows.printing import printing_of, read_recipients
from flows.settings import read_settings
from pmfer.errors import ConfigurationError
from reports import Format
from reports.measures import DEFAULT_THRESHOLDS

PASSWORD = "three words together"


@pytest.fixture
def recipients(tmp_path: Path) -> Path:
    """The night team with a password in a file, Dr Moss with one in the environment."""
    password = tmp_path / "night.password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o600)
    path = tmp_path / "recipients.toml"
    path.write_text(
        f'[[recipient]]\nname = "night-team"\npassword_file = "{password}"\n'
        '[[recipient]]\nname = "dr-moss"\npassword_variable = "PASSWORD_OF_DR_MOSS"\n'
    )
    return path


def test_passwords_come_from_private_files_and_from_the_environment(
    recipients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD_OF_DR_MOSS", "a house by the sea")
    assert {recipient.name: recipient.password for recipient in read_recipients(recipients)} == {
        "dr-moss": "a house by the sea",
        "night-team": PASSWORD,
    }
    assert read_recipients(None) == ()


def test_what_is_missing_or_open_to_others_is_named(recipients: Path) -> None:
    with pytest.raises(ConfigurationError, match="dr-moss: the variable PASSWORD_OF_DR_MOSS is not set"):
        read_recipients(recipients)
    (recipients.parent / "night.password").chmod(0o640)
    with pytest.raises(ConfigurationError, match=r"night-team: others can read .*night\.password"):
        read_recipients(recipients)
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read"):
        read_recipients(recipients.with_name("nowhere.toml"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("three words together", "not a TOML file"),
        ("", "recipient: Field required"),
        ('[[recipient]]\nname = "a"\npassword = "three words together"\n', "recipient.0.password: Extra inputs"),
        ('[[recipient]]\nname = "a"\n', "give either password_file or password_variable"),
        ('[[recipient]]\nname = "../a"\npassword_variable = "X"\n', "must have 1 to 32 letters"),
        ('[[recipient]]\nname = "a"\npassword_variable = "SHORT"\n', "must have 12 characters or more"),
        (2 * '[[recipient]]\nname = "a"\npassword_variable = "X"\n', "is listed twice"),
    ],
)
def test_a_wrong_file_is_named_in_one_line_without_a_password(
    tmp_path: Path, text: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipients.toml"
    path.write_text(text)
    monkeypatch.setenv("X", PASSWORD)
    monkeypatch.setenv("SHORT", "short word")
    with pytest.raises(ConfigurationError, match=rf"recipients .*recipients\.toml.*{complaint}") as error:
        read_recipients(path)
    assert "\n" not in str(error.value)
    assert not any(password in str(error.value) for password in (PASSWORD, "short word"))


def test_with_recipients_no_pdf_is_written_in_the_open_unless_it_is_asked_for(
    recipients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD_OF_DR_MOSS", "a house by the sea")
    monkeypatch.setenv("PMFER_REPORT_RECIPIENTS", str(recipients))
    monkeypatch.setenv("PMFER_REPORT_FORMATS", "PDF, json")
    assert printing_of(read_settings()).formats == (Format.JSON,)
    assert printing_of(read_settings(report_open_pdf=True)).formats == (Format.PDF, Format.JSON)
    assert printing_of(read_settings(), [Format.PDF]).formats == (Format.PDF,)
    assert PASSWORD not in repr(printing_of(read_settings()))


@pytest.mark.parametrize(("name", "value"), [("FORMATS", "pdf,docx"), ("FORMATS", " "), ("PROCESSES", "0")])
def test_a_wrong_setting_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PMFER_REPORT_{name}", value)
    with pytest.raises(ConfigurationError, match=f"PMFER_REPORT_{name}"):
        read_settings()


def test_the_rules_that_raise_flags_are_a_setting() -> None:
    assert printing_of(read_settings()).thresholds == DEFAULT_THRESHOLDS
    told = printing_of(read_settings(report_rules="ewma, shift")).thresholds
    switches = (told.rule_beyond_limits, told.rule_ewma, told.rule_change, told.rule_shift, told.rule_trend)
    assert switches == (False, True, False, True, False)
