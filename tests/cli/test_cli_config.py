"""How settings are shown, and the page that documents them."""

import json
from pathlib import Path

import pytest
from command import complaint, exit_code
from typer.testing import CliRunner

from cli.app import app
from cli.config import masked, settings_page
from flows.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pmfer.toml").write_text('notify_urls = ["mailto://ward:hush1@example.org"]\ns3_secret = "hush2"\n')
    monkeypatch.setenv("PMFER_WAREHOUSE_KEY", "hush3")
    monkeypatch.setenv("PMFER_WAREHOUSE", "ducklake:postgres:host=db password=hush4")
    for arguments in (["config"], ["config", "--json"]):
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 0
        assert "hush" not in shown.output
        assert "host=db" in shown.output
    assert json.loads(shown.output)["s3_secret"] == {"value": "***", "from": "pmfer.toml"}
    assert "hush" not in repr(read_settings())
    assert "hush" not in str(masked(read_settings()))


def test_the_page_of_settings_is_that_of_the_class() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == settings_page(), "run `make settings-page`"
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("command", [("config", "--markdown"), ("warehouse", "dictionary")])
def test_a_page_that_cannot_be_written_is_named(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "nowhere" / "page.md"
    assert exit_code(*command, page) == 1
    assert complaint(capsys) == f"pmfer: {page}: cannot be written (No such file or directory); choose another file"
