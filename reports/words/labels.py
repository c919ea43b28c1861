"""Fixed words: names of measures, states and reasons, headings and column titles."""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from dataclasses import dataclass

from pmfer.errors import FrameReason, QuarantineReason
from pmfer.facs import AU_BY_NUMBER
from reports.trend import Lack, State


@dataclass(frozen=True)
class MeasureWords:
    """How one measure is spoken of."""

    name: str  # title of its chart
    higher: str  # opens the sentence of a finding
    lower: str
    about: str  # one line that says what was counted


MEASURE_WORDS: dict[str, MeasureWords] = {
    "pain_activity": MeasureWords(
        "Pain-related facial activity",
        "More pain-related facial activity than usual today",
        "Less pain-related facial activity than usual today",
        "of brows, eyes, nose and upper lip",
    ),
    "expressivity": MeasureWords(
        "Facial expressivity",
        "The face was livelier than usual today",
        "The face was less lively than usual today",
        "how far from a neutral face",
    ),
    "smiling": MeasureWords(
        "Smiling",
        "Smiled more than usual today",
        "Smiled less than usual today",
        "share of the observed time",
    ),
    "sadness": MeasureWords(
        "Sad expression",
        "A sad expression was seen more than usual today",
        "A sad expression was seen less than usual today",
        "share of the observed time",
    ),
    "fear": MeasureWords(
        "Fearful expression",
        "A fearful expression was seen more than usual today",
        "A fearful expression was seen less than usual today",
        "share of the observed time",
    ),
    "anger": MeasureWords(
        "Angry expression",
        "An angry expression was seen more than usual today",
        "An angry expression was seen less than usual today",
        "share of the observed time",
    ),
}

CONTEXT_NAMES: dict[str, str] = {
    "smile_episodes": "Smiles",
    "neutral": "Neutral expression",
    "surprise": "Surprised expression",
    "disgust": "Disgusted expression",
    "contempt": "Contemptuous expression",
}

# The symbols differ in shape, so that they survive a grey print; a word always stands beside them.
STATE_SYMBOLS: dict[State, str] = {
    State.HIGHER: "▲",
    State.LOWER: "▼",
    State.USUAL: "=",
    State.INSUFFICIENT: "◊",
}
STATE_WORDS: dict[State, str] = {
    State.HIGHER: "higher than usual",
    State.LOWER: "lower than usual",
    State.USUAL: "as usual",
    State.INSUFFICIENT: "insufficient data",
}
STATE_SHORT: dict[State, str] = {
    State.HIGHER: "higher",
    State.LOWER: "lower",
    State.USUAL: "as usual",
    State.INSUFFICIENT: "insufficient data",
}
LACK_WORDS: dict[Lack, str] = {
    Lack.NO_SESSION: "no session today",
    Lack.ALL_SET_ASIDE: "all sessions of today set aside",
    Lack.TOO_DARK: "too dark today to see the face",
    Lack.TOO_BRIGHT: "too bright today to see the face",
    Lack.TURNED_AWAY: "face turned away today",
    Lack.TOO_LITTLE_SEEN: "face seen too little today",
    Lack.TOO_FEW_SESSIONS: "too few sessions today",
    Lack.NOT_MEASURED: "not measured today",
    Lack.NO_BASELINE: "no usual range yet",
}
FRAME_WORDS: dict[FrameReason, str] = {
    FrameReason.NO_FACE: "no face in view",
    FrameReason.NOT_SUBJECT: "only other people in view",
    FrameReason.TOO_SMALL: "face too small",
    FrameReason.TOO_DARK: "too dark",
    FrameReason.TOO_BRIGHT: "too bright",
    FrameReason.TOO_BLURRED: "blurred",
}
QUARANTINE_WORDS: dict[QuarantineReason, str] = {
    QuarantineReason.SIDECAR_MISSING: "details missing",
    QuarantineReason.SIDECAR_INVALID: "details unreadable",
    QuarantineReason.SIDECAR_DATE_MISMATCH: "details of another day",
    QuarantineReason.VIDEO_MISSING: "recording missing",
    QuarantineReason.NO_CONSENT: "no consent, so not looked at",
    QuarantineReason.DUPLICATE_CONTENT: "stored under another name",
    QuarantineReason.SESSION_CONFLICT: "name is taken already",
    QuarantineReason.EMPTY_FILE: "empty file",
    QuarantineReason.NOT_A_VIDEO: "not a video",
    QuarantineReason.NO_VIDEO_STREAM: "no moving picture in it",
    QuarantineReason.NO_FRAMES: "no picture can be opened",
    QuarantineReason.TRUNCATED: "recording breaks off",
    QuarantineReason.UNREADABLE: "file cannot be opened",
}

# Headings, captions and column titles of the templates, by the name under which a template asks for them.
TEXT: dict[str, str] = {
    "patient_kind": "Facial activity report",
    "patient": "Patient",
    "ward_title": "Ward overview",
    "trends": "The last four weeks against this patient’s own usual range",
    "measure": "Measure",
    "today": "Today",
    "usually": "Usually",
    "trend": "Trend",
    "result": "Result",
    "sessions": "Sessions today",
    "time": "Time",
    "session": "Session",
    "length": "Minutes",
    "analysed": "Frames analysed",
    "pain_activity": "Pain-related activity",
    "smiling": "Smiling",
    "too_little_seen": "face seen too little",
    "no_session": "No session was analysed today.",
    "phrases": "What the face did",
    "phrase": "Seen on the face",
    "bar": "Today, and usual range",
    "quality": "Data quality",
    "set_aside": "Set aside today",
    "nothing_set_aside": "No session was set aside.",
    "reason": "Reason",
    "about": "About this report",
    "changed": "Changed most, the largest change first",
    "what_changed": "What changed today",
    "four_weeks": "Last four weeks",
    "seen": "Seen today",
    "as_usual": "As usual",
    "insufficient": "Insufficient data",
    "insufficient_caption": "Why today says nothing, and of whom",
    "night": "How the recordings went",
    "patients": "Patients",
}

LEGEND = (
    "Grey band: usual range, made from the hollow dots. Diamond: today. Cross: face seen too little. Gap: no session."
)
ASK = "Please look in on the patient. The face moved differently from other days; this report cannot say why."
WARD_ASK = "Please look in on these patients first. The report shows that a face moved differently, not why."
WARD_LEGEND = "Grey band: usual range of this patient. Diamond: today. Cross: face seen too little. Gap: no session."
INTENDED_USE = (
    "Intended use: helps staff who know the patient to decide whom to look at first. It compares a face with the same "
    "patient’s earlier days, and with nobody else’s. It makes no diagnosis and does not measure pain. It is less "
    "reliable with facial palsy, dementia, glasses, or anything in front of the face."
)
SCALE = (
    "Scale of 0 to 100: how closely the face fitted the phrases, as judged by a model that learnt from people’s votes "
    "on pictures; levels cannot be compared between patients."
)


def phrase_name(column: str) -> str:
    """Printed name of an action-unit column: `Brows lowered and drawn together`."""
    return AU_BY_NUMBER[int(column.removeprefix("au"))].phrase.capitalize()


def unit_name(column: str) -> str:
    """The action unit of a column: `AU 4`."""
    return f"AU\N{NO-BREAK SPACE}{int(column.removeprefix('au'))}"


def measure_name(key: str) -> str:
    """Printed name of any measure."""
    if key in CONTEXT_NAMES:
        return CONTEXT_NAMES[key]
    return MEASURE_WORDS[key].name if key in MEASURE_WORDS else phrase_name(key)
