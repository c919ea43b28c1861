"""The wheel works away from the repository: what docs/python.md begins with, in an environment without this project."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
LINES = """
import pmfer
frames = pmfer.score("face.png")
print(frames.select("session_id", "frame_index", "reason").rows())
print(pmfer.__file__)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs, but not this working tree."""
    place = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rooms = ("cli", "flows", "inference", "pmfer", "reports", "simulator", "warehouse")
    for name in filter(None, listed.split("\0")):
        # The wheel is built from a copy, as building leaves folders behind.
        if (name.partition("/")[0] in rooms or "/" not in name) and (ROOT / name).is_file():
            target = place / "tree" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-cache-dir"]
    _run(*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", place, place / "tree")
    _run(sys.executable, "-m", "venv", "--without-pip", place / "venv")
    (wheel,) = place.glob("pmfer-*.whl")
    python = place / "venv" / "bin" / "python"
    own = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    _run(*pip, "install", *offline, "--target", own, wheel)
    # Appended, so that the wheel's own modules come first; what is installed from a working tree is not found that way.
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (Path(own) / "shared.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    return place


def _run(*command: object, cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_three_lines_of_python_run(environment: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(environment / "face.png")
    rows, where = _run(environment / "venv" / "bin" / "python", "-c", LINES, cwd=environment).splitlines()
    assert rows == "[('face.png', 0, 'no_face')]"
    assert Path(where).is_relative_to(environment)
