"""Nights as a command runs them: what has something to do, and one line for what Prefect itself cannot do.

Prefect takes seconds to import and reads its settings then, so it is imported once these are made.
"""

from datetime import date
from pathlib import Path

import typer

from flows.data_folder import DataFolder
from flows.interrupt import interrupts_held
from flows.settings import Dispatch, prefect_server, prepare_prefect, read_settings
from pmfer.errors import ConfigurationError, PmferError


def run_nights(
    source: str,
    first: date,
    last: date,
    data_dir: Path | None,
    bundle: str | None,
    detector: str | None,
    fps: float | None,
    dispatch: Dispatch | None = None,
) -> bool:
    """Run the flow over the nights that have something to do; False when all was done before."""
    settings = read_settings(data_dir=data_dir)
    data = DataFolder(settings.data_dir.absolute())
    from flows.proxies import require_server
    from flows.watch import report_end, report_failure

    try:
        data.require_writable()
        data.require_room()
        prepare_prefect(data.prefect_home)
        from prefect.client.orchestration import get_client
        from prefect.exceptions import PrefectHTTPStatusError

        from flows.catch_up import backfill as run
        from flows.catch_up import first_due_night

        due = first_due_night(source, data.root, first, last, bundle, detector, fps, dispatch)
        if due is not None:
            require_server(prefect_server())
    except (PmferError, OSError) as error:
        # No flow has begun that would leave a trace of it.
        report_failure(settings, first if first == last else None, error)
        raise
    if due is None:
        span = str(first) if first == last else f"{first} to {last}"
        typer.echo(f"{span}: nothing to do")
        report_end(settings, last, done_before=True)
        return False
    try:
        with interrupts_held():
            get_client(sync_client=True)  # starts the temporary server, if there is to be one
        run(source, data.root, due, last, bundle, detector, fps, dispatch)
    except (PrefectHTTPStatusError, RuntimeError) as error:
        trouble = _server_trouble(error, data)
        if trouble is None:
            raise
        report_failure(settings, due, trouble)
        raise trouble from None
    return True


def _server_trouble(error: Exception, data: DataFolder) -> ConfigurationError | None:
    """What Prefect says of its server, in words alone where it has no class to tell by; None: it does not."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return ConfigurationError(
            f"Prefect's server cannot record the run ({answer.status_code} {answer.reason_phrase}); the temporary one "
            f"writes to {data.prefect_home}: is the disk full? make room and run again, what was stored before is "
            "intact"
        )
    if "ephemeral" in str(error):
        return ConfigurationError(
            f"Prefect's temporary server did not start in {data.prefect_home}; is the disk full? make room and run "
            "again"
        )
    if "Failed to reach API" in str(error):
        return ConfigurationError(f"Prefect server {prefect_server() or 'of this run'}: went away; run again")
    return None
