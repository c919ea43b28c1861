"""The wheel works without the repository: the first example of docs/python.md, in an environment without this tree."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-index", "--no-cache-dir"]
LINES = """
import pmfer
frames = pmfer.score("face.png")
print(frames.select("session_id", "frame_index", "reason").rows())
print(pmfer.__file__)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel is built from: links to this project's files, because building leaves folders behind."""
    place = tmp_path_factory.mktemp("tree")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rooms = ("cli", "flows", "inference", "pmfer", "reports", "simulator", "warehouse")
    for name in filter(None, listed.split("\0")):
        if (name.partition("/")[0] in rooms or "/" not in name) and (ROOT / name).is_file():
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(ROOT / name)
    return place


@pytest.fixture(scope="module")
def environment(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs, but not this working tree."""
    place = tmp_path_factory.mktemp("wheel")
    _run(*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", place, tree)
    return _installed(place)


@pytest.fixture(scope="module")
def checkout(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which the tree is installed in place, as `make install` does."""
    place = tmp_path_factory.mktemp("checkout")
    build = f"from setuptools.build_meta import build_editable; build_editable({str(place)!r})"
    _run(sys.executable, "-c", build, cwd=tree)
    return _installed(place)


def _installed(place: Path) -> Path:
    """A folder with the wheel, and with an environment `venv` in which it is installed."""
    _run(sys.executable, "-m", "venv", "--without-pip", place / "venv")
    (wheel,) = place.glob("pmfer-*.whl")
    python = place / "venv" / "bin" / "python"
    own = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    _run(*PIP, "install", *OFFLINE, "--no-compile", "--target", own, wheel)
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


@pytest.mark.parametrize("made_by", ["environment", "checkout"])
def test_a_folder_named_like_a_room_hides_nothing(made_by: str, request: pytest.FixtureRequest) -> None:
    """A data folder holds `reports` and `warehouse`, and a checkout is often called `pmfer`."""
    place: Path = request.getfixturevalue(made_by)
    work = place / "work"
    for name in ("pmfer", "reports", "warehouse"):
        (work / name).mkdir(parents=True)
    python = place / "venv" / "bin" / "python"
    assert _run(python, "-c", "import pmfer; print(pmfer.score.__name__, pmfer.open_warehouse.__name__)", cwd=work) == (
        "score open_warehouse\n"
    )
    assert _run(python, "-m", "cli", "--version", cwd=work)
