"""The small network that tests train in seconds; it learns nothing useful."""

import json

from pmfer.config import ModelConfig

SMALL = ModelConfig(channels=(8, 8, 16, 20), blocks=(1, 1, 1, 1), heads=4, text_width=16, text_heads=2, latent=16)


def model_table(model: ModelConfig) -> str:
    """The table of a network in a configuration file, TOML."""
    return "\n".join(["[model]", *(f"{key} = {json.dumps(value)}" for key, value in model.model_dump().items())])
