"""The settings, in one class. This module is the only one that reads the environment.

A setting can be given as a command-line option, as `PMFER_NAME` in the environment or in the file `.env`, or as `name`
in `pmfer.toml`. The first of these wins, then the default. An unknown name anywhere is an error, because a misspelt
setting would otherwise be silently ignored. docs/settings.md is generated from this module.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.request import getproxies_environment

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from flows.data_folder import DataFolder
from inference.hardware import gains_from_int8
from inference.options import VideoLimits
from pmfer.bundle import DEFAULT_BUNDLE
from pmfer.errors import ConfigurationError
from reports import Format
from reports.measures import Rule

PREFIX = "PMFER_"
DOTENV = Path(".env")  # in the working directory; Prefect reads its own settings from the same file
CONFIG_FILE = Path("pmfer.toml")
# PMFER_ variables that are not settings, and what they are.
OTHER_VARIABLES = {
    "PMFER_CONFIG": "path of the TOML file, instead of `pmfer.toml` in the working directory",
    "PMFER_HOME": "folder of the program on a worker's machine, read by prefect.yaml",
    "PMFER_SNAPSHOT": "snapshot that docs/analysts.ipynb opens",
}
SECRETS_OF_FILES = "PMFER_PASSWORD_"  # of variables that hold recipients' passwords; the file of recipients names them

NoticeOf = Literal["failure", "abstention", "completion"]


def _words(value: object) -> object:
    """Split a list of words, which are separated by spaces or commas in the environment."""
    return value.lower().replace(",", " ").split() if isinstance(value, str) else value


def _urls(value: object) -> object:
    """Split a list of addresses at white space only; a comma may be part of an address."""
    return value.split() if isinstance(value, str) else value


Days = Annotated[int | None, Field(ge=1, le=36_500)]  # a century: no date lies before the first that Python knows
Positive = Annotated[int, Field(gt=0, le=2**53)]  # what floats and the system's limits can hold exactly
Seconds = Annotated[int, Field(gt=0, le=10**9)]
Marker = Annotated[str | None, Field(pattern=r"^\.[A-Za-z0-9._-]{1,32}$")]
Formats = Annotated[tuple[Format, ...], NoDecode, BeforeValidator(_words), Field(min_length=1)]
Rules = Annotated[tuple[Rule, ...], NoDecode, BeforeValidator(_words), Field(min_length=1)]


class Dispatch(StrEnum):
    """Who scores the sessions of a night."""

    PROCESS = "process"  # the nightly process itself
    WORKERS = "workers"  # Prefect workers on any machine, which write into a lake


class Settings(BaseSettings):
    """Everything that a run needs to know besides the night's files."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        dotenv_filtering="only_existing",
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,  # nobody means to wait for ever, or wants shards of infinite length
    )

    data_dir: Path = Field(Path("var/pmfer"), description="folder for the warehouse, reports and all other state")
    source: str | None = Field(None, description="where recordings are found, for commands without `--source`")
    warehouse: str | None = Field(
        None,
        repr=False,  # it may contain a password
        description="address of the warehouse (warehouse.md); default: a file below the data folder",
    )
    warehouse_key: SecretStr | None = Field(
        None, description="32 random bytes in base64; without a key nothing is encrypted"
    )
    warehouse_key_file: Path | None = Field(None, description="private file with the key, instead of the key itself")
    s3_key_id: str | None = Field(None, description="access to the object storage of a lake's files")
    s3_secret: SecretStr | None = Field(None, description="the secret that belongs to the key id")
    s3_region: str = Field("us-east-1", description="region of the object storage")
    s3_endpoint: str | None = Field(
        None, description="host:port of a store other than AWS; with http:// in front: without TLS"
    )
    sftp_key_file: Path | None = Field(
        None, description="private key for a source on SFTP; default: the agent's and the account's keys"
    )
    sftp_known_hosts: Path | None = Field(
        None, description="keys of SFTP hosts; default: `~/.ssh/known_hosts` of the account"
    )
    source_settle_s: float = Field(
        60.0, ge=0, description="seconds since its last write until a file counts as uploaded"
    )
    source_done_marker: Marker = Field(
        None, description="suffix, such as .done, of the file that marks a recording as complete"
    )
    video_max_bytes: Positive = Field(
        64 * 1024**3, description="bytes of a recording, at most; a larger file is neither copied nor scored"
    )
    video_max_pixels: Positive = Field(8192 * 4320, description="pixels of a frame, at most")
    video_max_frames: Positive = Field(5_000_000, description="frames of a recording, at most: a day at 58 a second")
    video_max_s: Seconds = Field(24 * 3600, description="seconds of a recording, at most")
    video_wall_s: Seconds = Field(4 * 3600, description="seconds that decoding and scoring one video may take")
    video_cpu_s: Seconds = Field(
        16 * 3600, description="CPU seconds, on all cores together, that decoding and scoring one video may take"
    )
    video_memory_bytes: Positive = Field(  # the smallest recordings take 0.5 GiB; without it, their decoder fails
        6 * 1024**3, ge=1024**3, description="bytes of memory that a scoring process may use, at least 1 GiB"
    )
    bundle: str = Field(DEFAULT_BUNDLE, description="shipped bundle's name, or a folder")
    detector: str = Field("centerface", description="face detector: centerface, or the path of a YuNet .onnx file")
    frames_per_second: float = Field(  # the frames of an episode are at most 1 s apart
        5.0, ge=0.01, le=1000, description="frames sampled per second of video; below 2, smiles and sleep are missed"
    )
    dispatch: Dispatch = Field(
        Dispatch.PROCESS, description="who scores: `process`, or `workers` of Prefect (operations.md)"
    )
    shard_s: float = Field(
        3600.0, gt=0, description="seconds of video, estimated from file sizes, that one worker takes at a time"
    )
    int8: bool | None = Field(
        None,
        description="score with the bundle's int8 graph; default: if it is faster on this machine, but never on "
        "workers, which may be machines of different kinds (performance.md)",
    )
    consent_required: bool = Field(
        False, description="a patient without a record of consent is not scored, whatever the sidecar says"
    )
    retain_frames_days: Days = Field(None, description="days that rows of single frames are kept; default: for good")
    retain_sessions_days: Days = Field(None, description="days that everything of a session is kept")
    retain_reports_days: Days = Field(None, description="days that reports are kept, in all formats")
    retain_staged_days: Days = Field(None, description="days that files of a killed run in `staging/` are kept")
    retain_quarantine_days: Days = Field(None, description="days that rows of quarantine are kept")
    retain_backups_days: Days = Field(None, description="days that backups in `backup_to` are kept")
    backup_to: Path | None = Field(
        None, description="folder, on another disk, for backups of `pmfer backup` and the deployment `maintenance`"
    )
    name_map: Path | None = Field(
        None, description="CSV or Parquet of `patient_id` and `name`, used only to print reports"
    )
    report_formats: Formats = Field(
        (Format.PDF,), description="forms in which every report is written: pdf, html, json, fhir (reports.md)"
    )
    report_rules: Rules = Field(
        (Rule.BEYOND_LIMITS, Rule.EWMA, Rule.CHANGE),
        description="rules that raise a flag; statistics.md says what each costs",
    )
    report_recipients: Path | None = Field(
        None, description="TOML file of recipients, who each get PDFs under their own password (reports.md)"
    )
    report_open_pdf: bool = Field(False, description="with recipients: also write PDFs without a password")
    report_language: Literal["en", "de"] = Field("en", description="language of the reports")
    report_page_size: Literal["A4", "Letter"] = Field("A4", description="paper size of the reports")
    report_contact: Annotated[str | None, Field(max_length=200)] = Field(
        None, description="whom staff can ask about a report; one line, printed on it"
    )
    scoring_processes: Annotated[int | None, Field(ge=1)] = Field(
        None, description="videos that a night scores at once; default: one per core, fewer if a GPU lacks memory"
    )
    report_processes: Annotated[int | None, Field(ge=1)] = Field(
        None, description="processes that render reports; default: one per core"
    )
    actor: str | None = Field(None, description="who acts, for the audit log; default: the account that runs `pmfer`")
    log_format: Literal["human", "json"] = Field("human", description="lines for people, or one JSON object per line")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level that is logged")
    metrics_file: Path | None = Field(
        None, description="Prometheus textfile written after each night; default: `metrics/pmfer.prom` (data folder)"
    )
    notify_urls: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_urls)] = Field(
        (), description="Apprise addresses that get notices, separated by white space"
    )
    notify_on: Annotated[tuple[NoticeOf, ...], NoDecode, BeforeValidator(_words)] = Field(
        ("failure", "abstention"), description="when they get a notice: failure, abstention, completion"
    )
    notify_abstention_share: float = Field(
        0.5, ge=0, le=1, description="share of a night's sampled frames without scores that sends an abstention notice"
    )

    @property
    def data(self) -> DataFolder:
        """The data folder."""
        return DataFolder(self.data_dir.absolute())

    @property
    def scores_in_int8(self) -> bool:
        """Whether a run scores with the bundle's int8 graph, on every machine that takes part."""
        return (self.dispatch is Dispatch.PROCESS and gains_from_int8()) if self.int8 is None else self.int8

    @field_validator("*")
    @classmethod
    def _below_home(cls, value: object) -> object:
        """Take ~ for the account's home folder, as a shell does, instead of making a folder of that name."""
        given = isinstance(value, str | Path) and str(value).startswith("~/")
        return type(value)(Path(str(value)).expanduser()) if given else value  # type: ignore[call-arg]

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **others: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of settings, in order of precedence."""
        return (init_settings, *_sources().values())


def read_settings(**overrides: object) -> Settings:
    """The settings from the environment and the files, with the given overrides. An override of None is ignored.

    Raises:
        ConfigurationError: a value has the wrong form, a name is unknown, or a file cannot be read. The message says
            which one and where.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        _refuse_unknown()
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise ConfigurationError(f"setting {PREFIX}{name.upper()}{_place(name, given)}: {first['msg']}") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's message gives line and column but does not quote the line, which may contain a secret.
        raise ConfigurationError(f"settings {config_file()}: not a TOML file ({error}); correct it") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"settings {config_file()} or {DOTENV}: cannot be read ({reason})") from None


def origins(**overrides: object) -> dict[str, str]:
    """Where each setting comes from: option, environment, .env, the name of the TOML file, or default."""
    layers = {"option": overrides, **{name: source() for name, source in _sources().items()}}
    return {
        field: next((name for name, values in layers.items() if values.get(field) is not None), "default")
        for field in Settings.model_fields
    }


def config_file() -> Path:
    """The TOML file: the one PMFER_CONFIG names, or pmfer.toml in the working directory, which need not exist.

    Raises:
        ConfigurationError: PMFER_CONFIG names a file that does not exist.
    """
    named = os.environ.get("PMFER_CONFIG")
    if named and not Path(named).is_file():
        raise ConfigurationError(f"PMFER_CONFIG {named}: no such file; correct the path")
    return Path(named) if named else CONFIG_FILE


def variable(name: str) -> str | None:
    """The value of a variable that is no setting, such as Prefect's, from environment or `.env`; None if not set."""
    return os.environ.get(name) or dotenv_values(DOTENV).get(name)


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: that of this process plus some variables."""
    return os.environ | dict(variables)


def proxy_variables() -> dict[str, str]:
    """The proxies set in the environment by `http`, `https` and `all`, and under `no` the hosts reached directly."""
    return getproxies_environment()


def default_environment(variables: Mapping[str, str]) -> None:
    """Set variables that are not set yet, for this process and its child processes."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def change_environment(variables: Mapping[str, str | None]) -> None:
    """Change the environment of this process and its child processes; None removes a variable."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _sources() -> dict[str, PydanticBaseSettingsSource]:
    """The environment and the files, by display name, in order of precedence."""
    file = config_file()
    return {
        "environment": EnvSettingsSource(Settings),
        str(DOTENV): DotEnvSettingsSource(Settings, env_file=DOTENV),
        file.name: TomlConfigSettingsSource(Settings, toml_file=file),
    }


def _refuse_unknown() -> None:
    for place, names in (("environment", os.environ), (str(DOTENV), dotenv_values(DOTENV))):
        for name in names:
            known = name.upper() in OTHER_VARIABLES or name.upper().startswith(SECRETS_OF_FILES)
            if name.upper().startswith(PREFIX) and not known:
                _require_known(name, name[len(PREFIX) :].lower(), place)
    file = config_file()
    if file.is_file():
        for name in tomllib.loads(file.read_text(encoding="utf-8")):
            _require_known(name, name, str(file))


def _require_known(name: str, field: str, place: str) -> None:
    if field in Settings.model_fields:
        return
    close = get_close_matches(field, Settings.model_fields, n=1)
    in_file = not name.upper().startswith(PREFIX)
    hint = f"; is it {close[0] if in_file else PREFIX + close[0].upper()}?" if close else "; see docs/settings.md"
    raise ConfigurationError(f"setting {name} in {place}: there is no such setting{hint}")


def _place(name: str, given: dict[str, Any]) -> str:
    try:
        origin = origins(**given).get(name, "default")
    except (ConfigurationError, ValueError):
        return ""
    return "" if origin in ("option", "environment", "default") else f" in {origin}"


def limits_of(settings: Settings) -> VideoLimits:
    """The limits on one video."""
    return VideoLimits(
        file_bytes=settings.video_max_bytes,
        pixels=settings.video_max_pixels,
        frames=settings.video_max_frames,
        duration_s=settings.video_max_s,
        wall_s=settings.video_wall_s,
        cpu_s=settings.video_cpu_s,
        memory_bytes=settings.video_memory_bytes,
    )
