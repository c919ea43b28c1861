"""Prefect as the environment names it, and how a process of ours works as its client.

Prefect reads its settings when it is imported, so nothing here imports it.
"""

from flows.data_folder import DataFolder
from flows.settings import Settings, change_environment, default_environment, environment_with, variable

# Nothing of Prefect's tells others that and when nights run here.
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The server forgets runs after three months, with their logs and tables.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
HEARTBEAT_S = 30  # seconds between two heartbeats of a run, the least that Prefect takes; prefect.yaml has it too


def prefect_server() -> str | None:
    """Address of the Prefect server that the environment names, if it does."""
    return variable("PREFECT_API_URL")


def prefect_login() -> str | None:
    """What the environment has a client say to Prefect's server, if it does."""
    return variable("PREFECT_API_AUTH_STRING")


def has_prefect_key() -> bool:
    """Whether the environment has a key of Prefect Cloud."""
    return bool(variable("PREFECT_API_KEY"))


def prepare_prefect(settings: Settings, login: str | None = None) -> None:
    """Tell Prefect how to work as a client, before it is imported.

    Args:
        settings: name the data folder, where Prefect keeps its state, and the form of its logs.
        login: what it says to the server that the environment names.

    Raises:
        OSError: the folder of its state cannot be made.
    """
    if "PREFECT_HOME" not in environment_with({}):
        home = DataFolder(settings.data_dir.absolute()).prefect_home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        change_environment({"PREFECT_HOME": str(home)})
    if login:
        change_environment({"PREFECT_API_AUTH_STRING": login})
    defaults = {
        # Never a temporary server, which anybody on this machine could give orders to.
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        # Seconds and times: a server that went away must not hold up a night that is only to be shown there.
        "PREFECT_API_REQUEST_TIMEOUT": "20",
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        # Prefect logs a traceback for every task that fails; the error itself reaches the command line, which says it
        # in one line.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        **QUIET,
    }
    if settings.log_format == "json":
        defaults["PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"] = "json"
        defaults["PREFECT_LOGGING_FORMATTERS_JSON_CLASS"] = "flows.logs.JsonFormatter"
    default_environment(defaults)
