"""A wrong configuration is named in the error, and the cycles of the default bundle follow each other."""

import re
from pathlib import Path

import pytest

from pmfer.checkpoint import AVERAGED_FILE, CHECKPOINT_FILE
from pmfer.config import read_config
from pmfer.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs = 3", "epochs: no such key"),
        ("[schedule]\nepochs = 0", "schedule.epochs: "),
        ("[loss]\nadversary = 0.5", "loss.adversary: "),
        ("not toml =", "not valid TOML"),
        ("name = 'Stra\xdfe'", "not valid TOML"),  # written as Latin-1
        ("[model]\nchannels = [16, 32, 48, 82]", "model: heads (5) must divide the last of channels (82)"),
        ("[model]\nchannels = [16, 80]", "model: channels and blocks must have one number for each stage"),
        ("[model]\ntext_heads = 3", "model: text_heads (3) must divide text_width (128)"),
        ("[schedule]\nsizes_px = [[0.5, 48]]", "schedule.sizes_px: the first entry must apply from 0 on"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=r"c\.toml: " + re.escape(said)):
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
