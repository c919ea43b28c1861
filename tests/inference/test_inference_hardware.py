"""What the machine offers the networks."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from inference.hardware import CUDA_LIBRARIES, gains_from_int8


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
