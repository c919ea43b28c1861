"""A wrong configuration is named in the error, and the cycles of the default bundle follow each other."""

import re
from pathlib import Path

import pytest

from pmfer.checkpoint import AVERAGED_FILE, CHECKPOINT_FILE
from pmfer.config import read_config
from pmfer.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("text", ["epochs = 3", "[schedule]\nepochs = 0", "[loss]\nadversary = 0.5", "not toml ="])
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"c\.toml"):
        read_config(tmp_path / "c.toml")


def test_each_cycle_of_the_default_bundle_takes_only_what_an_earlier_one_wrote() -> None:
    recipe = re.search(r"for cycle in (.+?); do", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert recipe
    written: set[str] = set()
    for cycle in recipe[1].split():
        config = read_config(ROOT / "pmfer" / "configs" / f"{cycle}.toml")
        assert {*config.teachers, *([config.start] if config.start else [])} <= written
        runs = [f"run-{run + 1}/" for run in range(config.runs)] if config.runs > 1 else [""]
        written |= {f"var/train/{cycle}/{run}{name}" for run in runs for name in (CHECKPOINT_FILE, AVERAGED_FILE)}
        if config.start:
            written.add(f"var/train/{cycle}/{AVERAGED_FILE}")
