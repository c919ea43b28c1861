"""Sentences of a patient's report below its lead: captions, moments, care events, data quality, origin."""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from babel.numbers import format_decimal

from reports.care_events import CareLine
from reports.evidence import Moment
from reports.origin import Origin
from reports.patient import PatientReport
from reports.quality import Quality
from reports.words.formats import (
    NBSP,
    clipped,
    decimal,
    number_word,
    percent,
    sentence,
    short_date,
    thousands,
    today,
    usual,
)
from reports.words.labels import care_word, context_names, frame_word, phrase
from reports.words.language import Language
from reports.words.lead import set_aside_today

LONGEST_ITEM = 40  # characters of a care event's item
LONGEST_NOTE = 48  # characters of its note


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


def intended_use(say: Language) -> str:
    """What the reports are for, and what not."""
    return say(
        "Intended use: helps staff who know the patient to decide whom to look at first. It compares a face with the "
        "same patient’s earlier days, and with nobody else’s. It makes no diagnosis and does not measure pain. It is "
        "less reliable with facial palsy, dementia, glasses, or anything in front of the face."
    )


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
    sampling = (
        say("every frame")
        if rate is None
        else say("{rate} frames a second", rate=format_decimal(rate, locale=say.locale))
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
