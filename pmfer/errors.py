"""The error tree and the closed lists of reason codes.

    PmferError
    ├── BundleError         a model bundle is missing, altered or of another format
    ├── VideoError          a video cannot be used; carries a QuarantineReason
    ├── SessionError        a session's sidecar, manifest or name is wrong; carries a QuarantineReason
    ├── WarehouseError      the database cannot be opened, migrated, written or published
    │   └── WarehouseBusyError  another process is writing to it
    ├── ReportError         a report cannot be computed or rendered
    ├── TrainingError       a data set or a training run is unusable
    └── ConfigurationError  an option, setting or path is wrong

Every message says what was wrong, with which file, and what to do. The command line prints it in one line and exits
non-zero; a traceback is for bugs only. Standard library only.
"""

import errno
from enum import StrEnum

# What to do about an error of the operating system that says nothing about the file that was read or written.
MACHINE_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room or raise the quota",
    errno.EIO: "check the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files (sysctl fs.file-max)",
}


class FrameReason(StrEnum):
    """Why a sampled frame has no scores. Stored in the `reason` column of the score batch."""

    NO_FACE = "no_face"  # the detector found no face
    NOT_SUBJECT = "not_subject"  # faces were found, but none is the session's subject
    TOO_SMALL = "too_small"  # the subject's face is below the size limit
    TOO_DARK = "too_dark"  # the subject's face is too dark to read
    TOO_BRIGHT = "too_bright"  # the subject's face is washed out
    TOO_BLURRED = "too_blurred"  # the subject's face shows no detail
    COVERED = "covered"  # too much of the subject's face is covered, or outside the picture, to tell its expression


class QuarantineReason(StrEnum):
    """Why a whole session is in quarantine. Stored in `quarantine.reason`."""

    SIDECAR_MISSING = "sidecar_missing"  # a video without a sidecar or manifest line
    SIDECAR_INVALID = "sidecar_invalid"  # not JSON/CSV, a field missing or of the wrong form, an unsafe id
    SIDECAR_DATE_MISMATCH = "sidecar_date_mismatch"  # started_at is on another day than the folder's
    VIDEO_MISSING = "video_missing"  # a sidecar or manifest line whose video is not there
    NO_CONSENT = "no_consent"  # consent is absent or withdrawn; the video was not decoded
    DUPLICATE_CONTENT = "duplicate_content"  # the same bytes are already stored as another session
    SESSION_CONFLICT = "session_conflict"  # the same session_id is already stored with other bytes or patient
    EMPTY_FILE = "empty_file"  # zero bytes
    NOT_A_VIDEO = "not_a_video"  # no container that FFmpeg knows
    NO_VIDEO_STREAM = "no_video_stream"  # audio only, or a cover picture
    NO_FRAMES = "no_frames"  # a video stream of which no frame decodes
    TRUNCATED = "truncated"  # far less decodes than the container announces
    ENCRYPTED = "encrypted"  # its pictures are encrypted
    UNREADABLE = "unreadable"  # the operating system or the server does not give access to the file
    TOO_LARGE = "too_large"  # more bytes, pixels, frames or seconds than the limits allow
    TIMED_OUT = "timed_out"  # decoding and scoring took longer than the limits allow, and were stopped
    OUT_OF_MEMORY = "out_of_memory"  # decoding and scoring needed more memory than the limits allow
    CRASHED = "crashed"  # the decoder crashed


class PmferError(Exception):
    """Root of every error that a caller can act on."""


class BundleError(PmferError):
    """A model bundle is missing, altered or of a format this version does not read."""


class _ReasonedError(PmferError):
    """An error that puts a session in quarantine: a message for people, and a reason code for tables."""

    def __init__(self, reason: QuarantineReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class VideoError(_ReasonedError):
    """A video cannot be used."""


class SessionError(_ReasonedError):
    """A session's sidecar, manifest line or name is wrong."""


class WarehouseError(PmferError):
    """The database cannot be opened, migrated, written or published."""


class WarehouseBusyError(WarehouseError):
    """Another process is writing to the database, which allows only one writer."""


class ReportError(PmferError):
    """A report cannot be computed or rendered."""


class TrainingError(PmferError):
    """A data set or a training run is unusable."""


class ConfigurationError(PmferError):
    """An option, a setting or a path is wrong."""
