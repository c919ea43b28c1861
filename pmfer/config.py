"""Configuration of a training run, read from a TOML file. Unknown keys and wrong values are errors."""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pmfer.errors import ConfigurationError

DataKind = Literal["ferplus", "fer2013", "raf-db", "affectnet8", "affectnet7", "unbc", "folders", "manifest"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(_Section):
    """Sizes of the compact back-end."""

    channels: tuple[int, ...] = (32, 64, 128, 320)  # of the residual stages; each one but the first halves the grid
    blocks: tuple[int, ...] = (1, 1, 2, 2)  # residual blocks per stage
    heads: int = Field(5, gt=0)  # attention heads over the local tokens; must divide the last channel count
    text_width: int = Field(128, gt=0)
    text_layers: int = Field(2, gt=0)
    text_heads: int = Field(4, gt=0)
    latent: int = Field(256, gt=0)  # width of the common latent space
    dropout: float = Field(0.1, ge=0, lt=1)  # before the projections of the image features

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.channels or len(self.channels) != len(self.blocks):
            raise ValueError("channels and blocks must have one number for each stage")
        if self.channels[-1] % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide the last of channels ({self.channels[-1]})")
        if self.text_width % self.text_heads:
            raise ValueError(f"text_heads ({self.text_heads}) must divide text_width ({self.text_width})")
        return self


class ClipConfig(_Section):
    """The CLIP back-end: its checkpoint, and which parts are trained."""

    checkpoint: str = "openai/clip-vit-base-patch16"  # folder in the format of transformers, or id on the hub
    text: Literal["frozen", "tuned"] = "frozen"  # the text encoder; its projection is trained in both cases
    vision_layers: int | None = Field(None, gt=0)  # how many of the last layers are trained; None: all
    learning_rate_factor: float = Field(0.2, gt=0)  # of parts from the checkpoint, relative to new parts
    dropout: float = Field(0.1, ge=0, lt=1)  # before the projections of the image features


class AugmentConfig(_Section):
    """Random augmentations of a training face. Lengths are fractions of the face's side."""

    rotation_deg: float = Field(15.0, ge=0)  # uniform in +-, around upright where the face mesh knows the roll
    scale: float = Field(0.15, ge=0, lt=1)  # uniform in 1 +-
    shift: float = Field(0.08, ge=0)  # uniform in +-, each axis
    light: float = Field(0.3, ge=0, lt=1)  # contrast factor uniform in 1 +-, brightness in +- half of it
    gamma: float = Field(0.3, ge=0)  # the exponent of the pixel values is exp(uniform in +-)
    blur: float = Field(0.2, ge=0, le=1)  # probability of a blur, as of a distant face
    small: float = Field(0.25, ge=0, le=1)  # probability that the face is scaled down and up again
    smallest_px: int = Field(14, ge=4)  # the reduced side is uniform from here up to the face's own
    noisy: float = Field(0.4, ge=0, le=1)  # probability of camera noise
    noise: float = Field(0.1, ge=0)  # its largest standard deviation, as a fraction of the full range
    compressed: float = Field(0.0, ge=0, le=1)  # probability of JPEG compression, quality 20 to 90
    covered: float = Field(0.35, ge=0, le=1)  # probability of a cover (pmfer/covers.py); needs a file of face shapes


class LossConfig(_Section):
    """Weights of the losses; 0 switches one off."""

    alignment: float = Field(1.0, ge=0)  # (b) phrase alignment
    masked_phrase: float = Field(0.5, ge=0)  # (c) dropped phrases predicted by cross attention
    mask_rate: float = Field(0.4, gt=0, le=1)  # probability that a phrase is dropped
    deviation: float = Field(0.3, ge=0)  # (f) phrases follow the shape within each expression
    visibility: float = Field(0.3, ge=0)  # (g) how visible each region is
    masked_share: float = Field(0.25, gt=0, le=1)  # share of each batch that gets a masked prompt
    adversary: float = Field(0.1, ge=0, le=0.1)  # (d) largest strength of the reversed gradient
    region: float = Field(0.1, ge=0)  # (e) attention of a phrase outside its region of the face
    prompts: Literal["action_units", "class_names"] = "action_units"  # class names: only for the ablation
    prompts_per_class: int = Field(2, gt=0)  # prompts sampled per expression and step


class ScheduleConfig(_Section):
    """Length, learning rates and face sizes of the training."""

    epochs: int = Field(16, gt=0)
    batch: int = Field(128, gt=0)
    learning_rate: float = Field(1e-3, gt=0)  # peak of AdamW
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)  # share of the run
    ema: float = Field(0.998, ge=0, lt=1)  # decay per step of the averaged weights, which are the ones exported
    sizes_px: tuple[tuple[float, int], ...] = ((0.0, 40), (0.7, 48))  # (share of the run from which it applies, side)
    seed: int = 0

    @field_validator("sizes_px")
    @classmethod
    def _from_the_start(cls, sizes_px: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
        if not sizes_px or sizes_px[0][0] != 0:
            raise ValueError("the first entry must apply from 0 on, as in [[0.0, 40], [0.7, 48]]")
        return sizes_px


class DataConfig(_Section):
    """The data set at --data."""

    kind: DataKind | None = None  # a data set of docs/training.md; None: detected
    landmarks: bool = False  # take targets, covers and roll from face shapes; needs a file of `pmfer landmarks`


class TrainConfig(_Section):
    """A whole training run."""

    name: str = "pmfer-compact"
    backend: Literal["compact", "clip"] = "compact"
    size_px: int = Field(48, gt=0)  # side of the faces that the bundle will take
    start: str | None = None  # checkpoint.pt of an earlier run, to fine-tune; None: new weights, or CLIP's
    start_share: float = Field(0.0, ge=0, le=1)  # share of the weights `start` itself began with, in the image encoder
    runs: int = Field(1, gt=0)  # with successive seeds; the weights of runs from one `start` are averaged
    teachers: tuple[str, ...] = ()  # checkpoint.pt of finished runs; their mean prediction is a target beside the votes
    teacher_share: float = Field(0.7, ge=0, le=1)  # weight of the teachers' prediction; the votes have the rest
    trains: Literal["everything", "visibility"] = "everything"  # visibility: train only that head, freeze the rest
    model: ModelConfig = ModelConfig()  # sizes of the compact back-end
    clip: ClipConfig = ClipConfig()  # the CLIP back-end
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    data: DataConfig = DataConfig()

    def with_seed(self, seed: int) -> "TrainConfig":
        """The same run with another seed."""
        return self.model_copy(update={"schedule": self.schedule.model_copy(update={"seed": seed})})


def read_toml(path: Path) -> dict[str, Any]:
    """Read any TOML file.

    Raises:
        ConfigurationError: the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file") from None
    except ValueError as error:  # TOMLDecodeError, or UnicodeDecodeError in another encoding
        raise ConfigurationError(f"{path}: not valid TOML ({error})") from None


def read_config(path: Path) -> TrainConfig:
    """Read the TOML file of a training run.

    Raises:
        ConfigurationError: the file is missing or not TOML, a key is unknown or a value is out of range.
    """
    try:
        return TrainConfig.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = "no such key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{path}: {key}: {said}; see pmfer/config.py for the keys") from None
