"""The file of measured crop geometries that an export puts on the bundle's card."""

import json
from pathlib import Path

from pmfer.bundle import CropGeometry
from pmfer.errors import ConfigurationError


def read_crop_file(path: Path) -> dict[str, CropGeometry]:
    """Read `{"centerface": {"side": ..., "dx": ..., "dy": ...}, ...}` as written by benchmarks/crop_geometry.py.

    Raises:
        ConfigurationError: the file is missing or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {name: CropGeometry(**geometry) for name, geometry in document.items()}
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); measure the crop geometry first"
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: not a file of crop geometries ({error}); see docs/inference.md") from None
