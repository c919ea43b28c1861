"""The typefaces of the reports: Source Sans Pro and Source Serif Pro (SIL Open Font License 1.1).

The files come with the packages `font-source-sans-pro` and `font-source-serif-pro`. They are found through the
packages' metadata and never imported. A missing file is an error: a fallback font would change the page breaks, and
with them what a reader sees first.
"""

from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from pmfer.errors import ReportError

# File name -> package that installs it and its place there. The style sheet names the files as `asset:FILE`.
FONT_FILES: dict[str, tuple[str, str]] = {
    "SourceSansPro-Regular.ttf": ("font-source-sans-pro", "font_source_sans_pro/files"),
    "SourceSansPro-Semibold.ttf": ("font-source-sans-pro", "font_source_sans_pro/files"),
    "SourceSerifPro-Semibold.ttf": ("font-source-serif-pro", "font_source_serif_pro/files"),
}


def font_path(name: str) -> Path:
    """Where the installed font file `name` lies.

    Raises:
        ReportError: its package or the file in it is missing.
    """
    package, folder = FONT_FILES[name]
    try:
        path = Path(str(distribution(package).locate_file(f"{folder}/{name}")))
    except PackageNotFoundError:
        raise ReportError(f"font {name}: the package {package} is not installed; install the project again") from None
    if not path.is_file():
        raise ReportError(f"font {name}: {path} is missing; install the package {package} again")
    return path


def font_versions() -> dict[str, str]:
    """Version of each font package, for the identity of a report.

    Raises:
        ReportError: a package is missing.
    """
    packages = sorted({package for package, _ in FONT_FILES.values()})
    try:
        return {package: version(package) for package in packages}
    except PackageNotFoundError as error:
        raise ReportError(f"font package {error.name} is not installed; install the project again") from None
