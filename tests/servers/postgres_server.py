"""A PostgreSQL server of the tests' own: in a temporary folder, reached by its socket, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = "pmfer"
PASSWORD = "it's a secret"


@dataclass(frozen=True)
class PostgresServer:
    """A running server."""

    programs: Path  # folder of createdb and its like
    folder: Path  # where its socket is

    def create_database(self, name: str, template: str = "template0") -> str:
        """Make a database, empty or a copy of another; returns its connection string, password included."""
        self._run("createdb", f"--template={template}", name)
        password = PASSWORD.replace("'", r"\'")
        return f"host={self.folder} user={USER} password='{password}' dbname={name}"

    def execute(self, name: str, text: str) -> list[str]:
        """Run a statement in a database; returns its rows, their columns with | between them."""
        return self._run("psql", "--quiet", "--tuples-only", "--no-align", f"--command={text}", name).splitlines()

    def start(self) -> None:
        """Start it, again after stop."""
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off"
        self.run_on_data("pg_ctl", "start", "--wait", "--options", options, "--log", self.folder / "log")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; in no other mode than this one, as a machine does that is switched off."""
        self.run_on_data("pg_ctl", "stop", f"--mode={mode}")

    @property
    def data(self) -> Path:
        """Where its files are; they can be copied while it is stopped."""
        return self.folder / "data"

    def run_on_data(self, program: str, *arguments: str | Path) -> None:
        """Run a program of PostgreSQL's on the server's files."""
        command = [self.programs / program, "--pgdata", self.data, *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=self.folder, **_as_nobody())

    def _run(self, program: str, *arguments: str) -> str:
        command = [self.programs / program, f"--host={self.folder}", f"--username={USER}", *arguments]
        done = subprocess.run(
            command, env={"PGPASSWORD": PASSWORD}, check=True, stdout=subprocess.PIPE, encoding="utf-8"
        )
        return done.stdout


def find_programs() -> Path | None:
    """Folder with PostgreSQL's own programs, None where it is not installed."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian leaves them out of PATH
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@contextmanager
def running_server(programs: Path, files: Path | None = None) -> Iterator[PostgresServer]:
    """Start a server, and stop it at the end.

    Args:
        programs: folder of PostgreSQL's own programs.
        files: of a server that was stopped, with which this one begins; they are copied. None: with nothing.
    """
    with tempfile.TemporaryDirectory(prefix="pmfer-pg-") as name:
        folder = Path(name)
        server, secret = PostgresServer(programs, folder), folder / "password"
        if files is None:
            secret.write_text(PASSWORD)
        else:
            shutil.copytree(files, server.data)
        if _as_nobody():
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, "nobody", "nogroup")
        if files is None:
            options = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}", "--encoding=UTF8")
            server.run_on_data("initdb", *options, "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _as_nobody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; whoever else runs the tests may not become anybody."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
