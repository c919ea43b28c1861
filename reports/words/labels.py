"""Fixed words: names of measures, states, reasons and kinds of care, and the text that is on every page.

Headings and column titles are in the templates.
"""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from collections.abc import Sequence
from dataclasses import dataclass

from babel.numbers import format_decimal

from pmfer.errors import FrameReason, QuarantineReason
from pmfer.facs import AU_BY_NUMBER
from reports.data import CareEventKind, Origin
from reports.findings import Lack, State
from reports.situations import UNSTATED
from reports.words.language import NBSP, Language, clipped, number_word, sentence

LONGEST_PLACE = 40  # characters of the name of a ward or room
LONGEST_SITUATION = 20  # characters of a situation named by the facility


@dataclass(frozen=True)
class MeasureWords:
    """The words for one measure."""

    name: str  # within a sentence
    higher: str  # start of a finding's sentence, before a colon
    lower: str  # likewise
    about: str  # what was measured, in one line


# The symbols differ in shape, so that they can be told apart in grey print; a word always stands beside them.
STATE_SYMBOLS: dict[State, str] = {
    State.HIGHER: "▲",
    State.LOWER: "▼",
    State.USUAL: "=",
    State.INSUFFICIENT: "◊",
}


def measure_words(say: Language, key: str) -> MeasureWords:
    """The words of a headline measure."""
    observed = say("estimated share of the time the face was seen")
    words = {
        "pain_activity": MeasureWords(
            say("pain-related facial activity"),
            say("More pain-related facial activity than usual"),
            say("Less pain-related facial activity than usual"),
            say("of brows, eyes, nose and upper lip"),
        ),
        "expressivity": MeasureWords(
            say("facial expressivity"),
            say("A livelier face than usual"),
            say("A less lively face than usual"),
            say("how far from a neutral face"),
        ),
        "smiling": MeasureWords(
            say("smiling"), say("More smiling than usual"), say("Less smiling than usual"), observed
        ),
        "sadness": MeasureWords(
            say("sad expression"),
            say("A sad face more often than usual"),
            say("A sad face less often than usual"),
            observed,
        ),
        "fear": MeasureWords(
            say("fearful expression"),
            say("A fearful face more often than usual"),
            say("A fearful face less often than usual"),
            observed,
        ),
        "anger": MeasureWords(
            say("angry expression"),
            say("An angry face more often than usual"),
            say("An angry face less often than usual"),
            observed,
        ),
    }
    return words[key]


def state_word(say: Language, state: State) -> str:
    """A state in a few words."""
    return {
        State.HIGHER: say("higher than usual"),
        State.LOWER: say("lower than usual"),
        State.USUAL: say("as usual"),
        State.INSUFFICIENT: say("not compared"),
    }[state]


def changed_word(say: Language, state: State) -> str:
    """The direction of a change, in one word."""
    return say("higher") if state is State.HIGHER else say("lower")


def lack_word(say: Language, lack: Lack) -> str:
    """Why a comparison was not made."""
    return {
        Lack.NO_SESSION: say("no recording"),
        Lack.ALL_SET_ASIDE: say("no recording could be used"),
        Lack.TOO_DARK: say("too dark to see the face"),
        Lack.TOO_BRIGHT: say("too bright to see the face"),
        Lack.COVERED: say("face not fully visible"),
        Lack.TURNED_AWAY: say("face turned away"),
        Lack.TOO_LITTLE_SEEN: say("face not seen enough"),
        Lack.TOO_SHORT: say("too little recorded"),
        Lack.NOT_MEASURED: say("not measured"),
        Lack.NO_BASELINE: say("too few earlier days"),
        Lack.NEW_SITUATION: say("too few earlier recordings of this kind"),
    }[lack]


def frame_word(say: Language, reason: FrameReason) -> str:
    """Why a frame could not be analysed."""
    return {
        FrameReason.NO_FACE: say("no face in view"),
        FrameReason.NOT_SUBJECT: say("only other people in view"),
        FrameReason.TOO_SMALL: say("face too small"),
        FrameReason.TOO_DARK: say("too dark"),
        FrameReason.TOO_BRIGHT: say("too bright"),
        FrameReason.TOO_BLURRED: say("blurred"),
        FrameReason.COVERED: say("face not fully visible"),
    }[reason]


def quarantine_word(say: Language, reason: QuarantineReason) -> str:
    """Why a session is in quarantine."""
    return {
        QuarantineReason.SIDECAR_MISSING: say("recording details missing"),
        QuarantineReason.SIDECAR_INVALID: say("recording details unreadable"),
        QuarantineReason.SIDECAR_DATE_MISMATCH: say("recording details of another day"),
        QuarantineReason.VIDEO_MISSING: say("recording missing"),
        QuarantineReason.NO_CONSENT: say("not looked at for lack of consent"),
        QuarantineReason.DUPLICATE_CONTENT: say("already stored under another name"),
        QuarantineReason.SESSION_CONFLICT: say("name already in use"),
        QuarantineReason.EMPTY_FILE: say("empty file"),
        QuarantineReason.NOT_A_VIDEO: say("not a video"),
        QuarantineReason.NO_VIDEO_STREAM: say("no moving pictures in it"),
        QuarantineReason.NO_FRAMES: say("no picture could be opened"),
        QuarantineReason.TRUNCATED: say("recording cut short"),
        QuarantineReason.ENCRYPTED: say("recording is encrypted"),
        QuarantineReason.UNREADABLE: say("file cannot be opened"),
        QuarantineReason.TOO_LARGE: say("larger or longer than allowed"),
        QuarantineReason.TIMED_OUT: say("took too long to read"),
        QuarantineReason.OUT_OF_MEMORY: say("needed too much memory"),
        QuarantineReason.CRASHED: say("could not be read to the end"),
    }[reason]


def unusable_recordings(say: Language, reasons: Sequence[tuple[QuarantineReason, int]]) -> str:
    """How many recordings of a day could not be used and why, with the number for each reason; empty if all could."""
    if not reasons:
        return ""
    total = sum(number for _, number in reasons)
    told = say.plural(
        "One recording could not be used: {reasons}.",
        "{count} recordings could not be used: {reasons}.",
        total,
        count=number_word(say, total),
        reasons=", ".join(f"{quarantine_word(say, reason)} ({number})" for reason, number in reasons),
    )
    return sentence(told)


def recordings_used(say: Language, recordings: int, used: int) -> str:
    """How many of at least one recording showed enough of the face to count."""
    count = number_word(say, recordings)
    if used == recordings:
        told = say.plural(
            "One recording, which showed enough of the face.",
            "{count} recordings; all showed enough of the face.",
            recordings,
            count=count,
        )
    elif not used:
        told = say.plural(
            "One recording, which did not show enough of the face.",
            "{count} recordings; none showed enough of the face.",
            recordings,
            count=count,
        )
    else:
        shown = number_word(say, used)
        told = say("{count} recordings; {used} of them showed enough of the face.", count=count, used=shown)
    return sentence(told)


def care_word(say: Language, kind: CareEventKind) -> str:
    """The kind of a care event."""
    return {
        CareEventKind.MEDICATION: say("medication"),
        CareEventKind.THERAPY: say("therapy"),
        CareEventKind.TRANSFER: say("transfer"),
        CareEventKind.CARE: say("care"),
        CareEventKind.OTHER: say("other event"),
    }[kind]


def situation_word(say: Language, situation: str) -> str:
    """The situation of a recording; as the facility wrote it if there is no word for it here."""
    words = {
        "at_rest": say("at rest"),
        "during_care": say("during care"),
        "meal": say("meal"),
        "therapy": say("therapy"),
        UNSTATED: say("not stated"),
    }
    return words.get(situation) or clipped(situation.replace("_", " "), LONGEST_SITUATION)


def place(say: Language, ward: str | None, room: str | None) -> str:
    """Ward and room, as far as known: `Ward 3, room 12`; empty if neither is known."""
    parts = [say("ward {name}", name=clipped(ward, LONGEST_PLACE))] if ward else []
    if room:
        # A no-break space keeps the number with its word where a narrow column breaks the line.
        parts.append(say("room {name}", name=clipped(room, LONGEST_PLACE)).replace(" ", NBSP, 1))
    return sentence(", ".join(parts))


def phrase_name(say: Language, column: str) -> str:
    """Printed name of an action-unit column: `Brows lowered and drawn together`."""
    return sentence(phrase(say, column))


def phrase(say: Language, column: str) -> str:
    """The phrase of an action-unit column within a sentence: `brows lowered and drawn together`."""
    return say(AU_BY_NUMBER[_number(column)].phrase)


def unit_name(column: str) -> str:
    """The action unit of a column: `AU 4`."""
    return f"AU{NBSP}{_number(column)}"


def _number(column: str) -> int:
    return int(column.removeprefix("au"))


def context_names(say: Language) -> dict[str, str]:
    """Names of the measures of CONTEXT_MEASURES, within a sentence, by key."""
    return {
        "smile_episodes": say("smiles"),
        "neutral": say("neutral expression"),
        "surprise": say("surprised expression"),
        "disgust": say("disgusted expression"),
        "contempt": say("contemptuous expression"),
    }


def measure_name(say: Language, key: str) -> str:
    """Printed name of any measure, as a title."""
    if key.startswith("au"):
        return phrase_name(say, key)
    return sentence(context_names(say).get(key) or measure_words(say, key).name)


def intended_use(say: Language) -> str:
    """What a report is for, and what it is not for."""
    return say(
        "This report helps staff who know the patient to decide whom to look in on first. It compares a face only with "
        "the same patient’s earlier days, never with anybody else’s. It makes no diagnosis and does not measure pain. "
        "If a face moves little for another reason, such as palsy, dementia or medication, a change may not show."
    )


def intended_use_in_short(say: Language) -> str:
    """The same, shorter, for the ward overview."""
    return say(
        "Each patient is compared only with their own earlier days. This is not a diagnosis and does not measure pain."
    )


def contact_line(say: Language, contact: str) -> str:
    """Whom to ask, as configured by the facility."""
    return say("For questions, ask: {contact}", contact=contact)


def origin_line(say: Language, origin: Origin) -> str:
    """Where the numbers come from, for the footer."""
    places = {
        "bundle": f"{origin.bundle_name or ''} {origin.bundle_id[:12]}".strip(),
        "prompts": (origin.prompt_set_sha256 or "")[:12],
        "options": origin.options_sha256[:12],
        "scored_by": origin.scored_by,
        "software": origin.software,
    }
    rate = origin.frames_per_second
    shown = "" if rate is None else format_decimal(rate, locale=say.locale)
    rate_form = 1 if rate == 1 else 2  # 0.5 and 1.5 take the plural
    sampling = (
        say("every frame")
        if rate is None
        else say.plural("one frame a second", "{rate} frames a second", rate_form, rate=shown)
    )
    if not places["prompts"]:
        return say(
            "Model {bundle}, {sampling}, options {options}, scored by version {scored_by}, reported by {software}",
            sampling=sampling,
            **places,
        )
    return say(
        "Model {bundle}, prompts {prompts}, {sampling}, options {options}, scored by version {scored_by}, reported by "
        "{software}",
        sampling=sampling,
        **places,
    )
