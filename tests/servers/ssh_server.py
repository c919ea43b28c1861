"""An SFTP server of the tests' own: OpenSSH's sshd on loopback, with keys made for it, gone afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SBIN = "/usr/sbin:/usr/local/sbin"  # where distributions keep sshd, and accounts often do not look

CONFIGURATION = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class SshServer:
    """A running server and what it takes to get in."""

    port: int
    user: str
    key_file: Path
    known_hosts: Path

    def url(self, folder: Path) -> str:
        """A folder of this machine by way of the server."""
        return f"sftp://{self.user}@127.0.0.1:{self.port}{folder}"


def find_sshd() -> str | None:
    """OpenSSH's server, if it is installed."""
    return shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), SBIN)))


@contextmanager
def running_server(folder: Path) -> Iterator[SshServer]:
    """Start a server with its keys in `folder`, and stop it at the end."""
    sshd = find_sshd()
    assert sshd is not None, "no sshd"
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copyfile(folder / "user_key.pub", folder / "authorized_keys")
    port = _free_port()
    (folder / "sshd_config").write_text(CONFIGURATION.format(port=port, folder=folder))
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it when it starts as root
    with (folder / "log").open("w") as log:
        command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
        with subprocess.Popen(command, stderr=log) as server:
            try:
                _wait_for(port, server, folder / "log")
                user = pwd.getpwuid(os.geteuid()).pw_name
                yield SshServer(port, user, folder / "user_key", folder / "known_hosts")
            finally:
                server.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    print(log.read_text(), file=sys.stderr)
    raise RuntimeError(f"sshd did not start: {log.read_text()}")
