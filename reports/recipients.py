"""Recipients of reports, and the PDF under the password of one.

A password (AES-256 as in the standard security handler of PDF 2.0, revision 6; ISO 32000-2, 7.6.4) protects against
someone who finds the file, but not against a long search, so short passwords are refused.
"""

import io
import re
import secrets
from dataclasses import dataclass, field

from pmfer.errors import ReportError

SHORTEST_PASSWORD = 12  # characters; the file can be attacked offline, so only the length protects it
LONGEST_PASSWORD = 127  # bytes in UTF-8; revision 6 ignores what comes after
_RECIPIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Recipient:
    """Someone who receives reports under their own password.

    Raises:
        ReportError: the name cannot name a folder, or the password is too short or too long; the message shows no
            password.
    """

    name: str  # letters, digits, hyphens and underscores, 32 at most: it becomes the name of a folder
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _RECIPIENT_NAME.fullmatch(self.name):
            raise ReportError(
                f"recipient '{self.name[:40]}': must have 1 to 32 letters, digits, hyphens or underscores, and begin "
                "with a letter or digit"
            )
        if len(self.password) < SHORTEST_PASSWORD or len(self.password.encode()) > LONGEST_PASSWORD:
            raise ReportError(
                f"recipient {self.name}: the password must have {SHORTEST_PASSWORD} characters or more, and "
                f"{LONGEST_PASSWORD} bytes at most"
            )


def protected(pdf: bytes, recipient: Recipient) -> bytes:
    """The same document, tags and title included, under the recipient's password.

    Two calls give different bytes because each file has its own keys. The owner's password, which would lift the
    permissions, is random and never stored.
    """
    import pikepdf  # takes a while to load, which nights without passwords spare

    # Read aloud, print and quote a report, but do not change it.
    permissions = pikepdf.Permissions(
        accessibility=True,
        extract=True,
        print_lowres=True,
        print_highres=True,
        modify_annotation=False,
        modify_assembly=False,
        modify_form=False,
        modify_other=False,
    )
    encryption = pikepdf.Encryption(
        owner=secrets.token_urlsafe(32), user=recipient.password, R=6, allow=permissions, aes=True, metadata=True
    )
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(target, encryption=encryption)
    return target.getvalue()
