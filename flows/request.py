"""The request for a run of nights: one object that the command line, deployments, flows and workers pass on whole."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from flows.settings import Dispatch, Settings, read_settings

# Prefect's form passes a field that is left empty as an empty string.
Folder = Annotated[Path, Field(json_schema_extra={"minLength": 1})]


class RunRequest(BaseModel):
    """Where recordings are found and how they are scored. For a field that is None, the settings apply.

    The flows in flows/deployed.py take each field as a separate parameter, so that a single one can be changed in
    Prefect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # path or URL of the folder that holds one folder per day
    data_dir: Path | None = None  # folder for the warehouse, reports and all other state
    bundle: str | None = None  # name of a shipped bundle, or a folder
    detector: str | None = None  # centerface, or a YuNet .onnx file
    frames_per_second: float | None = None  # sampled, per second of video
    dispatch: Dispatch | None = None  # who scores

    def settings(self) -> Settings:
        """The settings, overridden by the fields of this request.

        Raises:
            ConfigurationError: a setting or a field of the request is wrong.
        """
        return read_settings(**self.model_dump(exclude={"source"}))

    def place(self) -> Settings:
        """The settings with only the data folder overridden: readable even if the request's scoring fields are wrong.

        Raises:
            ConfigurationError: a setting is wrong.
        """
        return read_settings(data_dir=self.data_dir)
