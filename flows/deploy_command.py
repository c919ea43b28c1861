"""`pmfer deploy`: the command line of flows.deploy."""

from pathlib import Path
from typing import Annotated

import typer

from flows.data_folder import DataFolder
from flows.prefect_server import login_to_server, require_server
from flows.settings import prefect_server, prepare_prefect, read_settings
from pmfer.errors import ConfigurationError

deploy_app = typer.Typer()


@deploy_app.command()
def deploy(
    source: Annotated[
        str | None, typer.Option(help="Where nights find recordings: a folder or a URL. [PMFER_SOURCE]")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Data folder of the nights. [PMFER_DATA_DIR, var/pmfer]")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="Shards that may run at the same time. [as it is, at first 1]")
    ] = None,
) -> None:
    """Make work pools, queues, limits and deployments on the Prefect server; repeat it after every update."""
    settings = read_settings(data_dir=data_dir, source=source)
    if settings.source is None:
        raise ConfigurationError("no source; give the folder of the recordings with --source or PMFER_SOURCE")
    login = login_to_server(settings)
    require_server(prefect_server(), login)
    prepare_prefect(DataFolder(settings.data_dir.absolute()).prefect_home, login)
    from flows.deploy import deploy as run

    run(settings.source, settings.data_dir.absolute(), gpus, typer.echo)
