"""How the facility wants its reports (formats, recipients, names, processes, rules), and which files a report has.

    reports/2026-03-21/p01.pdf                  the PDF that anybody can open
    reports/2026-03-21/p01.html                 the same page for the screen
    reports/2026-03-21/p01.json                 everything printed, as data
    reports/2026-03-21/fhir/p01.json            the FHIR bundle
    reports/2026-03-21/for-night-team/p01.pdf   the PDF under a recipient's password
    reports/2026-03-21/ward.pdf                 the overview of the facility
    reports/2026-03-21/wards/3b.pdf             the overview of one ward, if sessions name the ward

FHIR bundles have a separate folder because a pseudonym may contain dots: p01.fhir.json could belong to a patient
called p01.fhir. The overview of the facility is called `ward` instead of a pseudonym. The overview of one ward has the
ward's name, in a separate folder. Overviews have no FHIR bundle.

Each recipient gets reports under a separate password. Recipients are listed in a TOML file outside the data folder,
which says where each password is kept but never holds one. No password is stored, logged or repeated in a message.

    [[recipient]]
    name = "night-team"
    password_file = "/etc/pmfer/night-team.password"

    [[recipient]]
    name = "dr-moss"
    password_variable = "PMFER_PASSWORD_DR_MOSS"
"""

import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from flows.data_folder import WARD, WARDS
from flows.settings import Settings, variable
from pmfer.errors import ConfigurationError, ReportError
from reports import Format
from reports.measures import DEFAULT_THRESHOLDS, Thresholds, thresholds_with
from reports.write import Recipient

SUFFIXES = ("pdf", "html", "json")  # that report files have


@dataclass(frozen=True)
class Printing:
    """How reports are written, and for whom."""

    formats: tuple[Format, ...]  # of files without a password
    recipients: tuple[Recipient, ...] = ()  # with their passwords, which the repr hides
    withheld: frozenset[Format] = frozenset()  # must not exist without a password: PDF, if it goes to recipients only
    name_map: Path | None = None  # read at each rendering, so that a change takes effect at once
    processes: int = 1  # number of rendering processes
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword arguments of reports.render
    thresholds: Thresholds = DEFAULT_THRESHOLDS  # at which a report flags something, or abstains

    @property
    def passwords(self) -> tuple[str, ...]:
        """The passwords that open the recipients' PDFs."""
        return tuple(recipient.password for recipient in self.recipients)


def printing_of(settings: Settings, formats: Iterable[Format] = ()) -> Printing:
    """How reports are written according to the settings.

    Args:
        settings: the settings.
        formats: formats to use instead of those in the settings; empty: use the settings. PDF given here is written
            without a password.

    Raises:
        ConfigurationError: the file of recipients is wrong, or a password is missing.
    """
    recipients = read_recipients(settings.report_recipients)
    wanted = tuple(dict.fromkeys(formats)) or tuple(dict.fromkeys(settings.report_formats))
    if recipients and not formats and not settings.report_open_pdf:
        wanted = tuple(form for form in wanted if form is not Format.PDF)
    protected = bool(recipients) and not settings.report_open_pdf and Format.PDF not in wanted
    return Printing(
        formats=wanted,
        recipients=recipients,
        withheld=frozenset({Format.PDF}) if protected else frozenset(),
        name_map=settings.name_map,
        processes=settings.report_processes or os.cpu_count() or 1,
        options={
            "language": settings.report_language,
            "page_size": settings.report_page_size,
            "contact": settings.report_contact,
        },
        thresholds=thresholds_with(settings.report_rules),
    )


@dataclass(frozen=True)
class ReportFiles:
    """The files of one report."""

    unprotected: Mapping[Format, Path]  # without a password
    protected: Mapping[Path, Recipient]  # PDFs under a password
    may_stay: Mapping[Format, Path]  # in other formats: not asked for now, but kept if they exist

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that are written, unprotected ones first."""
        return (*self.unprotected.values(), *self.protected)


def files_in(folder: Path, patient_id: str | None, ward: str | None, printing: Printing) -> ReportFiles:
    """The files of a patient's report, or of a ward's overview (ward None: the facility's), below the day's folder."""
    stem = patient_id or (WARD if ward is None else f"{WARDS}/{ward}")
    formats = [form for form in Format if patient_id is not None or form is not Format.FHIR]
    paths = {form: _path(folder, stem, form) for form in formats}
    return ReportFiles(
        unprotected={form: path for form, path in paths.items() if form in printing.formats},
        protected={folder / f"for-{to.name}" / f"{stem}.pdf": to for to in printing.recipients},
        may_stay={form: path for form, path in paths.items() if form not in {*printing.formats, *printing.withheld}},
    )


def _path(folder: Path, stem: str, form: Format) -> Path:
    return folder / "fhir" / f"{stem}.json" if form is Format.FHIR else folder / f"{stem}.{form.value}"


class RecipientEntry(BaseModel):
    """One `[[recipient]]` table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    password_file: Path | None = None  # a private file; white space around the password is stripped
    password_variable: str | None = None  # name of an environment variable

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.password_file is None) == (self.password_variable is None):
            raise ValueError("give either password_file or password_variable")
        return self


class RecipientFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipient: tuple[RecipientEntry, ...]


def read_recipients(path: Path | None) -> tuple[Recipient, ...]:
    """The recipients with their passwords, ordered by name; none if there is no file.

    Raises:
        ConfigurationError: the file cannot be read, an entry is wrong, or a password is missing, too short or in a file
            that others may read. The message names file and entry, never a password.
    """
    if path is None:
        return ()
    recipients: dict[str, Recipient] = {}
    for entry in _entries(path):
        where = f"recipients {path}, {entry.name[:40]}"
        if entry.name.lower() in {name.lower() for name in recipients}:
            raise ConfigurationError(f"{where}: is listed twice; keep one")
        try:
            recipients[entry.name] = Recipient(entry.name, _password(entry, where))
        except ReportError as error:
            raise ConfigurationError(f"recipients {path}: {error}") from None
    return tuple(recipients[name] for name in sorted(recipients))


def _entries(path: Path) -> tuple[RecipientEntry, ...]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return RecipientFile.model_validate(content).recipient
    except OSError as error:
        raise ConfigurationError(f"recipients {path}: cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        # The parser's message may quote the line, and with it a password that somebody wrote there by mistake.
        raise ConfigurationError(f"recipients {path}: not a TOML file in UTF-8; see docs/reports.md") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"recipients {path}, {field}: {first['msg']}") from None


def _password(entry: RecipientEntry, where: str) -> str:
    if entry.password_variable is not None:
        password = variable(entry.password_variable)
        if password is None:
            raise ConfigurationError(f"{where}: the variable {entry.password_variable} is not set; set it")
        return password
    file = entry.password_file
    assert file is not None  # RecipientEntry checks that one of the two is given
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigurationError(f"{where}: others can read {file}; make it private with `chmod 600`")
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{where}: {file} cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: {file} is not UTF-8 text; write the password again") from None
