"""What the machine and the installation offer: GPUs, int8 instructions, a working ONNX Runtime.

Importing this module does not import ONNX Runtime.
"""

import ctypes
import io
import os
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pmfer.errors import ConfigurationError

CPU_FLAGS = Path("/proc/cpuinfo")
# Instructions that multiply and add four bytes at once. Without them, int8 is not faster, and ONNX Runtime's products
# of unsigned and signed bytes overflow: on a CPU with only AVX2, one leading expression in ten was a different one.
BYTE_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
GPU_BYTES_PER_PROCESS = 2_500_000_000  # of one that scores; 2.2 GB were measured on an H200
# Both packages install the folder `onnxruntime`: the one installed last wins, and removing one breaks the other.
_OURS, _OTHER = "onnxruntime-gpu", "onnxruntime"
_REPAIR = f"run `pip uninstall {_OTHER} {_OURS}` and install the project again"


def cuda_device_count() -> int:
    """Number of CUDA devices the driver sees; 0 without a driver.

    ONNX Runtime lists the CUDA provider whenever it was built with CUDA, so the driver is asked instead.
    """
    driver = _cuda_driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def cuda_memory_bytes() -> int:
    """Memory of the first CUDA device; 0 without one."""
    driver = _cuda_driver()
    total = ctypes.c_size_t(0)
    if driver is None or driver.cuDeviceTotalMem_v2(ctypes.byref(total), 0) != 0:  # the first device's handle is 0
        return 0
    return total.value


def _cuda_driver() -> ctypes.CDLL | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None


def has_library(name: str) -> bool:
    """Whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


# What the CUDA provider of ONNX Runtime 1.31 loads besides the driver: CUDA 13 and cuDNN 9.
CUDA_LIBRARIES = (
    "libcudart.so.13",
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcurand.so.10",
    "libcufft.so.12",
    "libnvrtc.so.13",
    "libcudnn.so.9",
)


def missing_cuda_libraries() -> list[str]:
    """Those of CUDA_LIBRARIES that cannot be loaded. Imports ONNX Runtime.

    ONNX Runtime itself would only report them in a page of messages and continue on the CPU.
    """
    import onnxruntime

    with redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()  # libraries inside Python packages, which the system's loader would not find
    return [name for name in CUDA_LIBRARIES if not has_library(name)]


def gains_from_int8(cpu_flags: Path = CPU_FLAGS) -> bool:
    """Whether int8 networks are faster here: on a CPU with int8 instructions, and without a GPU."""
    return multiplies_bytes(cpu_flags) and cuda_device_count() == 0


def side_by_side() -> int:
    """How many videos to score at the same time, each in its own process: one per core, if a GPU has memory for all.

    A single process leaves a GPU idle for nine tenths of the time, because it is busy decoding and cutting out faces.
    """
    cores = os.cpu_count() or 1
    return max(1, min(cores, cuda_memory_bytes() // GPU_BYTES_PER_PROCESS)) if cuda_device_count() else cores


def multiplies_bytes(cpu_flags: Path = CPU_FLAGS) -> bool:
    """Whether the CPU has int8 instructions (BYTE_PRODUCTS)."""
    try:
        text = cpu_flags.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return not BYTE_PRODUCTS.isdisjoint(flags)


def require_runtime() -> None:
    """Make sure that ONNX Runtime can be imported.

    Raises:
        ConfigurationError: it is missing or incomplete.
    """
    try:
        import onnxruntime

        _ = onnxruntime.InferenceSession
    except (ImportError, AttributeError):
        raise ConfigurationError(f"ONNX Runtime is incomplete; {_REPAIR}") from None


def runtime_rival() -> str | None:
    """A warning, with what to do, if a second ONNX Runtime package is installed; None otherwise."""
    try:
        version(_OTHER)
    except PackageNotFoundError:
        return None
    return f"the package {_OTHER} is installed alongside {_OURS} and may make scoring run on the CPU; {_REPAIR}"
