"""Run `pmfer` as typed: in this process, or in a new one, which takes a second or two to import what a night needs."""

import io
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from cli.app import main


@dataclass(frozen=True)
class Done:
    """The exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


def exit_code(*arguments: object) -> int:
    """Run a command in this process; its output goes where that of the test goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pmfer", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            main()
    code = ending.value.code
    return code if isinstance(code, int) else int(code is not None)


def pmfer(*arguments: str, **settings: str) -> Done:
    """Run a command in this process, with settings from the environment."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as outside of tests
        for name, value in settings.items():
            patch.setenv(name, value)
        code = exit_code(*arguments)
    return Done(code, out.getvalue(), err.getvalue())


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command printed instead of a result."""
    text = capsys.readouterr().err.strip()
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def on_its_own(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a new process, as a schedule does, and capture all its output."""
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **settings})
