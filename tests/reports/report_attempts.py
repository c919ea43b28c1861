"""What a process does with an order where it does not matter what is written: quick to load, unlike a page."""

import os
import signal

from reports import Format
from reports.patient import PatientReport
from reports.write import Order

DEADLY = "p-deadly"


def attempt(order: Order) -> str | None:
    """In place of the real one, where what matters is what happens to processes: fast, and one report kills its own."""
    report = order.report
    if isinstance(report, PatientReport) and report.patient_id == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    order.files[Format.JSON].write_text("done")
    return None
