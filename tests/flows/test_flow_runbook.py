"""Follow the runbook literally: run its code blocks in order, with its folders in a temporary place."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"
FOLDERS = ("/srv/recordings", "/srv/pmfer", "/srv/backup", "/etc/pmfer")
AS_ROOT = "# as root\n"


def blocks() -> list[str]:
    """The commands of the page, one text per code block."""
    return re.findall(r"^```sh\n(.*?)^```$", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(blocks())))
def test_every_block_is_shell(number: int) -> None:
    done = subprocess.run(["sh", "-n"], input=blocks()[number], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_of_the_program_that_a_block_names_is_there() -> None:
    named = {path for block in blocks() for path in re.findall(r"/opt/pmfer/([\w./@*-]+)", block)}
    assert "deploy/pmfer.toml" in named
    for path in (path for path in named if not path.startswith(".venv/")):  # created by the installation
        # compose.env is made from its example by the line before.
        assert list(ROOT.glob(path.replace("compose.env", "compose.env.example"))) or path.endswith(".example"), path


@pytest.mark.slow
def test_the_blocks_that_need_no_root_work_in_order(tmp_path: Path) -> None:
    # What the blocks for root create.
    for folder in FOLDERS:
        (tmp_path / folder.lstrip("/")).mkdir(parents=True, mode=0o700)
    settings = tmp_path / "etc" / "pmfer"
    (settings / "pmfer.toml").write_text(moved((ROOT / "deploy" / "pmfer.toml").read_text(), tmp_path))
    (settings / "secrets.env").write_text((ROOT / "deploy" / "secrets.env").read_text())
    key = subprocess.run(["openssl", "rand", "-base64", "32"], capture_output=True, text=True, check=True).stdout
    (settings / "warehouse.key").write_text(key)
    (settings / "warehouse.key").chmod(0o400)
    with (settings / "secrets.env").open("a") as stream:
        stream.write(f"PMFER_WAREHOUSE_KEY_FILE={settings / 'warehouse.key'}\n")
    settings.joinpath("pmfer.toml").chmod(0o640)

    script = "".join(block for block in blocks() if not block.startswith(AS_ROOT))
    assert script.count("pmfer nightly") == 2
    done = subprocess.run(
        ["sh", "-eu"],
        input=moved(script, tmp_path),
        text=True,
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken" not in done.stdout
    assert "nothing to do" in done.stdout
    assert "ward.pdf" in done.stdout
    assert "audit log: whole" in done.stdout
    assert "before-upgrade: " in done.stdout
    # The example ward is removed again at the end.
    assert list((tmp_path / "srv" / "backup").iterdir()) == []
    assert not [path for path in (tmp_path / "srv").rglob("*.pdf") if path.name != "ward.pdf"]
    assert not (tmp_path / "srv" / "pmfer" / "aside").exists()


def moved(text: str, place: Path) -> str:
    """A text with the runbook's folders moved, and the program at its location on this machine."""
    for folder in FOLDERS:
        text = re.sub(rf"(?<![\w/.]){re.escape(folder)}\b", f"{place}{folder}", text)
    return text.replace("/opt/pmfer/.venv/bin", str(Path(sys.executable).parent)).replace("/opt/pmfer", str(ROOT))
