"""Sentences of a patient's report: at the top what is different today, or why nothing can be said; then the rest."""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from dataclasses import dataclass

from reports.daily import Quality
from reports.evidence import CareLine, Moment
from reports.findings import Lack, State
from reports.measures import Thresholds
from reports.patient import PatientReport
from reports.words.finding_sentences import finding_sentence, today, usual
from reports.words.labels import care_word, context_names, frame_word, lack_word, measure_words, phrase, state_word
from reports.words.language import (
    NBSP,
    Language,
    clipped,
    decimal,
    long_date,
    number_word,
    percent,
    sentence,
    short_date,
    thousands,
)

LISTED_CHANGES = 3  # changes told in full under the headline; the charts mark all of them
LONGEST_ITEM = 40  # characters of a care event's item
LONGEST_NOTE = 48  # characters of its note


@dataclass(frozen=True)
class Lead:
    """The words at the top of a patient's report."""

    headline: str
    changes: tuple[tuple[State, str], ...]  # a sentence per change, the largest first
    ask: str  # what to do now; empty where there is nothing to do
    notes: tuple[str, ...]


def lead(say: Language, report: PatientReport) -> Lead:
    """The headline and what stands under it."""
    if report.changes:
        return _lead_of_changes(say, report)
    if report.lack is None:
        note = say(
            "All {measures} measures lie within the usual range, which rests on {days} earlier days.",
            measures=number_word(say, len(report.trends)),
            days=number_word(say, report.baseline_size),
        )
        told = _told_only(say, report)
        return Lead(say("Today is like this patient’s usual days."), (), "", (told or note, *_cautions(say, report)))
    headline, notes = _lead_of_lack(say, report, report.lack)
    return Lead(headline, (), "", notes)


def _told_only(say: Language, report: PatientReport) -> str:
    """Changes that ask for no look, such as more smiling; empty if there are none."""
    names = [
        say("{measure} {state}", measure=measure_words(say, finding.key).name, state=state_word(say, told[0].state))
        for finding in report.findings
        if (told := finding.told)
    ]
    return say("Noticed all the same, without a flag: {changes}.", changes="; ".join(names)) if names else ""


def ask(say: Language) -> str:
    """What to do where something changed."""
    return say("Please look in on the patient. The face moved differently from other days; this report cannot say why.")


def _lead_of_changes(say: Language, report: PatientReport) -> Lead:
    changes = report.changes
    headline = say.plural(
        "One thing is different today.",
        "{count} things are different today.",
        len(changes),
        count=number_word(say, len(changes)),
    )
    listed = tuple((finding.state, finding_sentence(say, finding)) for finding in changes[:LISTED_CHANGES])
    more = len(changes) - len(listed)
    notes = list(_cautions(say, report))
    if more:
        told = say.plural(
            "One more change is marked below.",
            "{count} more changes are marked below.",
            more,
            count=number_word(say, more),
        )
        notes.insert(0, sentence(told))
    return Lead(sentence(headline), listed, ask(say), tuple(notes))


def _lead_of_lack(say: Language, report: PatientReport, lack: Lack) -> tuple[str, tuple[str, ...]]:
    if lack is Lack.NO_SESSION:
        return say("Insufficient data: no session was recorded today."), (say("There is nothing to compare."),)
    if lack is Lack.ALL_SET_ASIDE:
        headline = say.plural(
            "Insufficient data: the only session of today was set aside.",
            "Insufficient data: all {count} sessions of today were set aside.",
            len(report.set_aside),
            count=number_word(say, len(report.set_aside)),
        )
        return headline, (say("Nothing could be analysed. The reasons are on the second page."),)
    if lack is Lack.NO_BASELINE:
        return _lead_of_no_baseline(say, report)
    headline = say("Insufficient data: {reason}.", reason=lack_word(say, lack))
    return headline, _too_little(say, report.quality, report.thresholds)


def _lead_of_no_baseline(say: Language, report: PatientReport) -> tuple[str, tuple[str, ...]]:
    need = say(
        "A usual range needs {needed} earlier days with enough data; so far there are {days}.",
        needed=number_word(say, report.thresholds.min_baseline_days),
        days=number_word(say, report.days_before),
    )
    until = say("Until then this report shows what was seen and compares nothing.")
    if report.model_since is not None:
        return say("Insufficient data: no usual range with the new model yet."), (_new_model(say, report), need, until)
    if report.sessions_on_record == 1:
        only = say(
            "This is the only session on record. One session is no trend, and there is nothing to compare it with."
        )
        return say("First session: there is no trend yet."), (only, need, until)
    if report.days_before == 0:
        return say("First day: there is no trend yet."), (need, until)
    return say("Insufficient data: no usual range yet."), (need, until, *_cautions(say, report))


def _too_little(say: Language, quality: Quality, thresholds: Thresholds) -> tuple[str, ...]:
    seen = say.plural(
        "{scored} of {sampled} frames of one session could be analysed.",
        "{scored} of {sampled} frames of {sessions} sessions could be analysed.",
        quality.sessions,
        scored=thousands(say, quality.frames_scored),
        sampled=thousands(say, quality.frames_sampled),
        sessions=number_word(say, quality.sessions),
    )
    limits = say(
        "A session counts from {session_frames} frames and {share} of its length, a day from {day_frames} frames.",
        session_frames=thousands(say, thresholds.min_frames_per_session),
        share=percent(say, thresholds.min_scored_share),
        day_frames=thousands(say, thresholds.min_frames_per_day),
    )
    return seen, limits


def _cautions(say: Language, report: PatientReport) -> tuple[str, ...]:
    """What to keep in mind about a day that was compared."""
    notes = []
    if report.quality.sessions_used == 1:
        notes.append(say("Today rests on a single session."))
    if report.set_aside:
        notes.append(set_aside_today(say, report))
    if report.model_since is not None:
        notes.append(_new_model(say, report))
    return tuple(notes)


def set_aside_today(say: Language, report: PatientReport) -> str:
    """How many sessions of the day are in quarantine."""
    told = say.plural(
        "One session of today was set aside.",
        "{count} sessions of today were set aside.",
        len(report.set_aside),
        count=number_word(say, len(report.set_aside)),
    )
    return sentence(told)


def _new_model(say: Language, report: PatientReport) -> str:
    assert report.model_since is not None
    since = long_date(say, report.model_since)
    return say("Since {date} a new model scores the recordings; earlier days are not compared.", date=since)


def listing(say: Language, report: PatientReport, listed: int) -> str:
    """Caption of the table of sessions."""
    total = len(report.sessions)
    if listed == total:
        told = say.plural("One session", "{count} sessions by time", total, count=number_word(say, total))
        return sentence(told)
    return say(
        "The {listed} of {total} sessions with the most pain-related facial activity, by time",
        listed=number_word(say, listed),
        total=number_word(say, total),
    )


def more_set_aside(say: Language, report: PatientReport, listed: int) -> str:
    """What the list of sessions set aside leaves out; empty if nothing."""
    more = len(report.set_aside) - listed
    if not more:
        return ""
    if not listed:
        return set_aside_today(say, report)
    return say.plural("And one more session.", "And {count} more sessions.", more, count=number_word(say, more))


def moment_phrases(say: Language, moment: Moment) -> str:
    """What the face showed in a moment, the most telling first."""
    names = ", ".join(phrase(say, leading.column) for leading in moment.phrases)
    return sentence(names) or say("no phrase stands out")


def care_line(say: Language, line: CareLine) -> str:
    """One item of care: `Medication: ibuprofen 400 mg`, with its note."""
    told = say("{kind}: {item}", kind=care_word(say, line.kind), item=clipped(line.item, LONGEST_ITEM))
    if line.amount is not None:
        unit = clipped(line.unit or "", LONGEST_ITEM)
        amount = decimal(say, line.amount, 0 if line.amount == int(line.amount) else 1)
        told = f"{told} {amount}{NBSP}{unit}"
    if line.note is not None:
        told = f"{told} ({clipped(line.note, LONGEST_NOTE)})"
    return sentence(told)


def care_days(say: Language, line: CareLine) -> str:
    """On which of the days drawn: `21 Mar`, or `12 days, the last on 21 Mar`."""
    last = short_date(say, line.days[-1])
    return say.plural("{last}", "{count} days, last on {last}", len(line.days), last=last, count=len(line.days))


def context(say: Language, report: PatientReport) -> str:
    """What else was counted, with the usual range where there is one; empty where the day has too little data."""
    names = context_names(say)
    told = []
    for finding in report.context:
        places = {"measure": names[finding.key], "today": today(say, finding), "usual": usual(say, finding)}
        if finding.value is not None and finding.baseline is not None:
            told.append(say("{measure} {today}, usually {usual}", **places))
        elif finding.value is not None:
            told.append(say("{measure} {today}", **places))
    return say("Also counted today, without flags: {measures}.", measures="; ".join(told)) if told else ""


def more_care(say: Language, left_out: int) -> str:
    """What is not drawn of care; empty if nothing."""
    if not left_out:
        return ""
    told = say.plural(
        "One more item is not drawn.",
        "{count} more items are not drawn.",
        left_out,
        count=number_word(say, left_out),
    )
    return sentence(told)


def quality(say: Language, found: Quality) -> tuple[str, ...]:
    """How much could be analysed, and why the rest could not."""
    if not found.frames_sampled:
        return (say("No frame could be looked at."),)
    sentences = [
        say(
            "{scored} of {sampled} frames ({share}) could be analysed.",
            scored=thousands(say, found.frames_scored),
            sampled=thousands(say, found.frames_sampled),
            share=percent(say, found.scored_share),
        )
    ]
    if found.unscored:
        reasons = ", ".join(f"{frame_word(say, reason)} {thousands(say, number)}" for reason, number in found.unscored)
        sentences.append(say("Not analysed: {reasons}.", reasons=reasons))
    if found.frames_several_faces:
        share = percent(say, found.frames_several_faces / found.frames_sampled)
        sentences.append(say("Other people in view in {share} of the frames; counted, never analysed.", share=share))
    return (*sentences, *_troubles(say, found))


def _troubles(say: Language, found: Quality) -> tuple[str, ...]:
    sentences = []
    left_out = found.sessions - found.sessions_used
    if left_out:
        told = say.plural(
            "One session showed too little of the face to count.",
            "{count} sessions showed too little of the face to count.",
            left_out,
            count=number_word(say, left_out),
        )
        sentences.append(sentence(told))
    if found.sessions_with_warning:
        told = say.plural(
            "One recording is damaged in part.",
            "{count} recordings are damaged in part.",
            found.sessions_with_warning,
            count=number_word(say, found.sessions_with_warning),
        )
        sentences.append(sentence(told))
    return tuple(sentences)


def basis(say: Language, report: PatientReport) -> str:
    """How the usual range was made, in two sentences."""
    places = {"fewest": report.thresholds.min_baseline_days, "most": report.thresholds.max_baseline_days}
    if not report.baseline_size:
        return say(
            "Usual range: from the first {fewest} to {most} days with enough data and no change (not reached yet). "
            "Single days and the mean of the last days are compared with it.",
            **places,
        )
    return say(
        "Usual range: from the first {fewest} to {most} days with enough data and no change (here {days} days), wider "
        "while they are few. Single days and the mean of the last days are compared with it.",
        days=report.baseline_size,
        **places,
    )
