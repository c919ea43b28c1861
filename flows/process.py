"""What a process of ours needs before it works, whether a command or a worker of Prefect started it."""

from pathlib import Path

from flows.logs import require_logs
from flows.proxies import spare_loopback
from flows.settings import Settings, change_environment, prefect_server

NO_HOME = "/nonexistent"  # as Debian has it for accounts without a home folder


def adapt_environment(settings: Settings) -> None:
    """Make good for what the environment lacks: loopback without a proxy, and a home folder by name at least."""
    spare_loopback(prefect_server(), settings.s3_endpoint)
    try:
        Path.home()
    except RuntimeError:  # neither HOME nor an account by name: Prefect and others would not even be imported
        change_environment({"HOME": NO_HOME})


def set_up_worker(settings: Settings) -> None:
    """Do that, and set up logs, in a process that does not come by way of the command line."""
    adapt_environment(settings)
    require_logs(settings)
