"""`pmfer server` and `pmfer worker`: Prefect's server and workers as this house runs them."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from flows.data_folder import DataFolder
from flows.settings import (
    HEARTBEAT_S,
    QUIET,
    change_environment,
    default_environment,
    environment_with,
    prefect_server,
    read_settings,
)

server_app = typer.Typer()

ROOT = Path(__file__).parents[1]  # of the program
LOOPBACK = "127.0.0.1"
PORT = 4200

DataDir = Annotated[Path | None, typer.Option(help="Data folder, where the secret lies. [PMFER_DATA_DIR, var/pmfer]")]


@server_app.command()
def server(
    host: Annotated[str, typer.Option(help="Address to listen at; another than this one only behind TLS.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = PORT,
    data_dir: DataDir = None,
) -> None:
    """Run Prefect's server; it asks for the secret in DATA_DIR/server/secret, which is made at the first start."""
    from flows.prefect_server import make_login

    data = DataFolder(read_settings(data_dir=data_dir).data_dir.absolute())
    data.require_writable()
    default_environment({"PREFECT_HOME": str(data.prefect_home), **QUIET})
    home = Path(environment_with({})["PREFECT_HOME"])
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Where the program lies nothing can be written, and Prefect's pages are written before they are served.
    default_environment({"PREFECT_UI_STATIC_DIRECTORY": str(home / "ui")})
    # With an address of its own the server would try to be its own client.
    change_environment({"PREFECT_API_URL": None, "PREFECT_SERVER_API_AUTH_STRING": make_login(data)})
    _become("server", "start", "--host", host, "--port", str(port))


@server_app.command()
def worker(
    pool: Annotated[str, typer.Argument(help="Work pool: pmfer, or pmfer-gpu for shards.")],
    limit: Annotated[int, typer.Option(min=1, help="Runs at the same time.")] = 1,
    name: Annotated[str | None, typer.Option(help="Name of the worker. [by the machine]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Take runs from a work pool of the Prefect server; refuses a server that asks for no secret."""
    from flows.prefect_server import login_to_server, require_server

    settings = read_settings(data_dir=data_dir)
    login = login_to_server(settings)
    require_server(prefect_server(), login)
    change_environment({"PREFECT_API_AUTH_STRING": login})
    default_environment(
        {
            "PREFECT_HOME": str(DataFolder(settings.data_dir.absolute()).prefect_home),
            "PREFECT_LOGGING_EXTRA_LOGGERS": "pmfer",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
            "PMFER_HOME": str(ROOT),
            **QUIET,
        }
    )
    named = ("--name", name) if name else ()
    _become("worker", "start", "--pool", pool, "--type", "process", "--limit", str(limit), *named)


def _become(*arguments: str) -> NoReturn:
    """Let this process be one of Prefect's; nothing secret stands among its arguments."""
    os.execve(sys.executable, [sys.executable, "-m", "prefect", *arguments], environment_with({}))
