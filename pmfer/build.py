"""Build the model that a configuration describes."""

from pmfer.config import TrainConfig
from pmfer.model import Backend, CompactImageEncoder, CompactTextEncoder, Pmfer
from pmfer.prompts import default_tokenizer


def build_model(config: TrainConfig) -> Pmfer:
    """PMFER before training, on the back-end that `config.backend` names.

    Raises:
        ConfigurationError: CLIP's checkpoint is missing, is none, or does not fit the configuration.
    """
    return Pmfer(config, build_backend(config))


def build_backend(config: TrainConfig) -> Backend:
    """Encoders and tokenizer, see `build_model`."""
    if config.backend == "clip":
        from pmfer.clip import clip_backend  # brings transformers, which nothing else needs

        return clip_backend(config)
    return compact_backend(config)


def compact_backend(config: TrainConfig) -> Backend:
    """Encoders from scratch, and the tokenizer over the phrases' own words."""
    tokenizer = default_tokenizer()
    return Backend(
        image_encoder=CompactImageEncoder(config.model, config.size_px),
        text_encoder=CompactTextEncoder(config.model, len(tokenizer), tokenizer.pad),
        tokenizer=tokenizer,
        latent=config.model.latent,
        dropout=config.model.dropout,
    )
