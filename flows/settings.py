"""Settings: the only place that reads the environment.

Every setting can be given as `PMFER_NAME`; an option of the command line wins over it. Unknown values are errors.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pmfer.bundle import DEFAULT_BUNDLE
from pmfer.errors import ConfigurationError

Days = Annotated[int | None, Field(ge=1)]


class Settings(BaseSettings):
    """What a run needs to know that no file of the night tells."""

    model_config = SettingsConfigDict(env_prefix="PMFER_", frozen=True, extra="forbid")

    data_dir: Path = Path("var/pmfer")  # all state lies below it
    warehouse: str | None = None  # address, see warehouse.address; left out, a file below the data folder
    warehouse_key: SecretStr | None = None  # 32 random bytes in base64; left out, nothing is encrypted
    warehouse_key_file: Path | None = None  # a file with the key, in place of the key itself
    s3_key_id: str | None = None  # access to the object storage of a lake's files
    s3_secret: SecretStr | None = None
    s3_region: str = "us-east-1"
    s3_endpoint: str | None = None  # of a store other than AWS
    bundle: str = DEFAULT_BUNDLE  # shipped bundle's name, or a folder
    detector: str = "centerface"  # or the path of a YuNet .onnx file
    frames_per_second: float = 5.0  # frames sampled per second of video
    int8: bool | None = None  # score with the bundle's int8 graph; None: where the machine gains from it
    consent_required: bool = False  # a patient without a record of consent is not scored, whatever the sidecar says
    retain_frames_days: Days = None  # days that rows of single frames are kept; None, like the others: for good
    retain_sessions_days: Days = None  # days that everything of a session is kept
    retain_reports_days: Days = None  # days that PDFs are kept
    retain_staged_days: Days = None  # days that what a killed run left in the staging folder is kept
    retain_quarantine_days: Days = None  # days that rows of quarantine are kept
    name_map: Path | None = None  # CSV or Parquet of patient_id and name, for the print of reports only
    actor: str | None = None  # who acts, for the audit log; None: the account of the operating system


def read_settings(**overrides: object) -> Settings:
    """Settings from the environment; overrides that are None are left to it.

    Raises:
        ConfigurationError: a value has the wrong form.
    """
    try:
        return Settings(**{key: value for key, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigurationError(f"setting PMFER_{name.upper()}: {first['msg']}") from None


def prepare_prefect(home: Path) -> None:
    """Tell Prefect where to keep its state, before it is imported.

    A server that the environment names is used; without one Prefect starts a temporary server of its own, whose
    database then lies below the data folder like everything else.
    """
    if "PREFECT_HOME" not in os.environ:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["PREFECT_HOME"] = str(home.absolute())
    # Prefect logs a traceback for every task that fails; the error itself reaches the command line, which says it in
    # one line.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    # The telemetry of the temporary server can log a "database is locked" traceback that means nothing.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # A temporary server on a busy machine needs longer than Prefect's default 20 s at times.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
