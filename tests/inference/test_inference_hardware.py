"""What the machine offers the networks."""

from pathlib import Path

import pytest

from inference.hardware import gains_from_int8


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
