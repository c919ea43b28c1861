"""What a measurement was made on: it means little without."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import av

from inference.hardware import BYTE_PRODUCTS, cuda_device_count

PACKAGES = ("av", "numpy", "onnxruntime-gpu")


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
