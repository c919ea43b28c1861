"""Wall and processor time of runs that are compared, and a description of the machine."""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import av

from inference.hardware import BYTE_PRODUCTS, cuda_device_count

PACKAGES = ("av", "numpy", "onnxruntime-gpu")


@dataclass(frozen=True)
class Spent:
    """What one run took."""

    wall_s: float
    cpu_s: float  # of all threads, and of child processes that have ended


def spent_by(run: Callable[[], object]) -> Spent:
    """Time that a run takes. A run in a process that lives on measures itself and returns what it took."""
    wall_s, before_s = time.perf_counter(), cpu_s()
    found = run()
    return found if isinstance(found, Spent) else Spent(time.perf_counter() - wall_s, cpu_s() - before_s)


def in_turns(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Spent]:
    """The median time of each run. Runs take turns, so that a noisy minute affects all of them alike."""
    taken: dict[str, list[Spent]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(spent_by(run))
    return {
        name: Spent(statistics.median(s.wall_s for s in spent), statistics.median(s.cpu_s for s in spent))
        for name, spent in taken.items()
    }


def cpu_s() -> float:
    """Processor seconds of this process and of child processes that have ended."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


@contextmanager
def measured(figures: dict[str, object], name: str) -> Iterator[None]:
    """Add the wall and processor time of the block to the figures, as `NAME_s` and `NAME_cpu_s`."""
    before, began = cpu_s(), time.perf_counter()
    yield
    figures |= {f"{name}_s": time.perf_counter() - began, f"{name}_cpu_s": cpu_s() - before}


def memory_mib(field: str, process: object = "self") -> float:
    """Memory of a process by the kernel's listing: `VmHWM` at its peak, `VmRSS` now; 0 once it has ended.

    What `getrusage` calls the peak begins with that of the process that started this one.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), default=0.0)


def plain_environment() -> dict[str, str]:
    """The environment without settings of PMFER and Prefect, so that defaults are measured and no server is used."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PMFER_", "PREFECT_"))}


def describe_machine() -> dict[str, object]:
    """Hardware and versions by flat key."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = BYTE_PRODUCTS.intersection(fields.get("flags", "").split())
    return {
        "cpu": fields.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "cpu_int8_instructions": " ".join(sorted(flags)),
        "gpus": cuda_device_count(),
        "python": platform.python_version(),
        **{f"version_{package}": version(package) for package in PACKAGES},
        "version_ffmpeg_libavcodec": ".".join(str(part) for part in av.library_versions["libavcodec"]),
    }
