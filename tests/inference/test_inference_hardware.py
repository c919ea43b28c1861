"""What the machine offers the networks."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from inference.hardware import CUDA_LIBRARIES, gains_from_int8, side_by_side


@pytest.mark.parametrize(
    ("flags", "gains"), [("fpu avx2 avx_vnni", True), ("fpu avx512f avx512_vnni", True), ("fpu avx2 fma", False)]
)
def test_int8_is_for_cpus_with_byte_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, gains: bool
) -> None:
    monkeypatch.setattr("inference.hardware.cuda_device_count", lambda: 0)
    listing = tmp_path / "cpuinfo"
    listing.write_text(f"processor : 0\nflags\t\t: {flags}\n")
    assert gains_from_int8(listing) is gains
    monkeypatch.setattr("inference.hardware.cuda_device_count", lambda: 1)
    assert not gains_from_int8(listing)


def test_every_library_of_nvidia_that_the_runtime_links_is_looked_for() -> None:
    found = find_spec("onnxruntime")
    assert found
    assert found.origin
    part = Path(found.origin).parent / "capi" / "libonnxruntime_providers_cuda.so"
    said = subprocess.run(["ldd", part], capture_output=True, text=True, check=True).stdout
    linked = {line.split()[0] for line in said.splitlines() if line.split()[0].startswith(("libcu", "libnv"))}
    assert linked - {"libcuda.so.1"} <= set(CUDA_LIBRARIES)  # the one left out belongs to the driver
    assert linked


@pytest.mark.parametrize(
    ("gpus", "memory_bytes", "videos"),
    [(0, 0, 8), (1, 143_000_000_000, 8), (1, 16_000_000_000, 6), (1, 2_000_000_000, 1), (1, 0, 1)],
)
def test_as_many_videos_at_once_as_cores_and_the_memory_of_a_gpu_allow(
    monkeypatch: pytest.MonkeyPatch, gpus: int, memory_bytes: int, videos: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("inference.hardware.cuda_device_count", lambda: gpus)
    monkeypatch.setattr("inference.hardware.cuda_memory_bytes", lambda: memory_bytes)
    assert side_by_side() == videos
