"""What a recorder states about a session, and how it is read: from a small JSON file that may hold anything."""

import json
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from flows.sources.location import Location, SourceReadError
from flows.sources.printable import printable
from pmfer.errors import QuarantineReason, SessionError

MAX_SIDECAR_BYTES = 64 * 1024  # a sidecar is a few hundred bytes; whatever is larger is something else

# No separators, no leading dot: an id becomes a file's name.
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Sidecar(BaseModel):
    """What the recorder states about a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: Identifier
    patient_id: Identifier  # a pseudonym
    started_at: AwareDatetime  # ISO 8601 with offset; its day is the day in the patient's place
    consent: bool


def read_sidecar(location: Location, path: str, name: str) -> dict[str, Any] | SessionError:
    """The fields of a sidecar, unchecked, or what is wrong with the file.

    Args:
        location: the source.
        path: the sidecar's, in it.
        name: what to call it in a message.
    """
    try:
        content = json.loads(location.read(path, MAX_SIDECAR_BYTES).decode("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except RecursionError:
        return _unreadable(name, "nested too deeply")
    except SourceReadError as error:
        return _unreadable(name, str(error.strerror or error))
    except ValueError as error:
        return _unreadable(name, str(error))
    return content


def checked(raw: dict[str, Any]) -> Sidecar:
    """The sidecar.

    Raises:
        ValueError: says in one line which field is wrong and how.
    """
    try:
        return Sidecar.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "sidecar"
        raise ValueError(printable(f"{field}: {first['msg']}")) from None


def _unreadable(name: str, why: str) -> SessionError:
    return SessionError(QuarantineReason.SIDECAR_INVALID, f"{name}: not a readable sidecar ({printable(why)})")
