"""A wrong configuration is named in the error."""

from pathlib import Path

import pytest

from pmfer.config import read_config
from pmfer.errors import ConfigurationError


@pytest.mark.parametrize("text", ["epochs = 3", "[schedule]\nepochs = 0", "[loss]\nadversary = 0.5", "not toml ="])
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"c\.toml"):
        read_config(tmp_path / "c.toml")
