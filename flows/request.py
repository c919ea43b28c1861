"""What a run of nights is asked for: one request that command line, deployments, flows and workers pass on whole."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from flows.data_folder import DataFolder
from flows.settings import Dispatch, Settings, read_settings

# Prefect's form gives what is left empty as an empty text.
Folder = Annotated[Path, Field(json_schema_extra={"minLength": 1})]


class RunRequest(BaseModel):
    """Where recordings are found and how they are scored; what is None is left to the settings.

    The flows of flows/deployed.py take each field as a parameter of its own, so that Prefect can change one of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # folder with one folder per day, or its URL
    data_dir: Path | None = None  # folder below which all state lies
    bundle: str | None = None  # shipped bundle's name, or a folder
    detector: str | None = None  # centerface, or a YuNet .onnx file
    frames_per_second: float | None = None  # sampled, per second of video
    dispatch: Dispatch | None = None  # who scores

    def settings(self) -> Settings:
        """The settings, with what was asked for in the place of theirs.

        Raises:
            ConfigurationError: one of them is wrong, or what was asked for.
        """
        return read_settings(
            data_dir=self.data_dir,
            bundle=self.bundle,
            detector=self.detector,
            frames_per_second=self.frames_per_second,
            dispatch=self.dispatch,
        )

    def place(self) -> Settings:
        """The settings with the data folder alone: they can be read although what is to be scored with is wrong.

        Raises:
            ConfigurationError: a setting is wrong.
        """
        return read_settings(data_dir=self.data_dir)

    def data(self) -> DataFolder:
        """The data folder.

        Raises:
            ConfigurationError: a setting is wrong.
        """
        return DataFolder(self.place().data_dir.absolute())
