"""Sentences of a patient's report below its first lines: sessions, care, moments, data quality, the usual range."""

import shlex

from reports.daily import Quality
from reports.evidence import CareLine, Moment, SharedMoment
from reports.fonts import drawable
from reports.patient import PatientReport
from reports.words.finding_sentences import day_value, usual
from reports.words.labels import (
    care_word,
    context_names,
    frame_word,
    measure_words,
    phrase,
    situation_word,
)
from reports.words.language import (
    NBSP,
    Language,
    clipped,
    day_and_month,
    decimal,
    number_word,
    percent,
    player_time,
    sentence,
    short_date,
    thousands,
)
from reports.words.patient_lead import unusable

LONGEST_ITEM = 40  # characters of a care event's item
LONGEST_NOTE = 48  # characters of its note
LONGEST_FILE = 120  # characters of a file's name in a command


def legend(say: Language, report: PatientReport) -> str:
    """What the marks of the charts mean."""
    return say(
        "Grey band: usual range, from the days with hollow dots. Dashed line: alarm limit. Diamond: {date}, with a bar "
        "(and brackets) for its uncertainty. Cross: face seen too little. Gap: no recording.",
        date=day_and_month(say, report.day),
    )


def moments_caption(say: Language, report: PatientReport) -> str:
    """What the moments are, and what the commands are for."""
    return say(
        "Where it showed most on {date}, and what stood out on the face. The command cuts the ten seconds around it "
        "out of the recording; run it where the recordings are kept.",
        date=day_and_month(say, report.day),
    )


def phrases_caption(say: Language, report: PatientReport) -> str:
    """How to read the table of movements."""
    return say(
        "One box a day: the darker, the more clearly it was seen; {date} has a frame. Numbers from 0 to 100. ▲ more, ▼ "
        "less than usual, = as usual, ◊ not compared.",
        date=day_and_month(say, report.day),
    )


def listing(say: Language, report: PatientReport, listed: int) -> str:
    """Caption of the table of sessions."""
    total = len(report.sessions)
    if listed == total:
        told = say.plural("One recording", "{count} recordings by time", total, count=number_word(say, total))
        return sentence(told)
    if listed == 1:
        return say(
            "Of {total} recordings the one with the most pain-related facial activity", total=number_word(say, total)
        )
    return say(
        "Of {total} recordings the {listed} with the most pain-related facial activity, by time",
        listed=number_word(say, listed),
        total=number_word(say, total),
    )


def more_set_aside(say: Language, report: PatientReport, listed: int) -> str:
    """What the list of recordings that could not be used leaves out; empty if nothing."""
    more = len(report.set_aside) - listed
    if not more:
        return ""
    if not listed:
        return unusable(say, report)
    return say.plural("And one more.", "And {count} more.", more, count=number_word(say, more))


def moment_phrases(say: Language, moment: Moment) -> str:
    """What the face showed in a moment, the most telling first."""
    names = ", ".join(phrase(say, leading.column) for leading in moment.phrases)
    return sentence(names) or say("nothing stands out")


def moment_place(say: Language, moment: Moment) -> str:
    """In which situation a moment was recorded, with a comma before it; empty where the session does not say."""
    return f", {situation_word(say, moment.situation)}" if moment.situation else ""


def moment_names(say: Language, shared: SharedMoment) -> str:
    """The measures that a moment stands for."""
    return sentence(", ".join(measure_words(say, key).name for key in shared.keys))


def moment_time(say: Language, moment: Moment) -> str:
    """At which minute and second of the recording a moment is, as players show it."""
    return say("at {time}", time=player_time(moment.session_time_s))


def clip_command(moment: Moment, number: int) -> str:
    """The command that cuts a moment out of its recording, to be run where the recordings lie."""
    start, end = (player_time(seconds) for seconds in moment.clip)
    file = shlex.quote(drawable(moment.file or "RECORDING.mp4")[:LONGEST_FILE])
    return f"ffmpeg -ss {start} -to {end} -i {file} -c copy clip-{number}.mp4"


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
        places = {"measure": names[finding.key], "value": day_value(say, finding), "usual": usual(say, finding)}
        if finding.value is not None and finding.baseline is not None:
            told.append(say("{measure} {value}, usually {usual}", **places))
        elif finding.value is not None:
            told.append(say("{measure} {value}", **places))
    return say("Also measured: {measures}.", measures="; ".join(told)) if told else ""


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
        return (say("There is no picture to look at."),)
    sentences = [
        say(
            "The face could be read in {scored} of {sampled} pictures ({share}).",
            scored=thousands(say, found.frames_scored),
            sampled=thousands(say, found.frames_sampled),
            share=percent(say, found.scored_share),
        )
    ]
    if found.unscored:
        reasons = ", ".join(f"{frame_word(say, reason)} {thousands(say, number)}" for reason, number in found.unscored)
        sentences.append(say("The others: {reasons}.", reasons=reasons))
    if found.frames_several_faces:
        share = percent(say, found.frames_several_faces / found.frames_sampled)
        sentences.append(
            say("Other people were in view in {share} of the pictures; their faces are never read.", share=share)
        )
    return (*sentences, *_troubles(say, found))


def _troubles(say: Language, found: Quality) -> tuple[str, ...]:
    sentences = []
    left_out = found.sessions - found.sessions_used
    if left_out:
        told = say.plural(
            "One recording showed too little of the face to count.",
            "{count} recordings showed too little of the face to count.",
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
    """How the usual range was made, and what raises a flag."""
    places = {"fewest": report.thresholds.min_baseline_days, "most": report.thresholds.max_baseline_days}
    if not report.baseline_size:
        return say(
            "Usual range: from the first {fewest} to {most} days without a change; there are not enough yet.",
            **places,
        )
    return say(
        "Usual range: the middle 80% of the first {fewest} to {most} days without a change, here {days}; all of them "
        "where there are fewer than 10. A flag goes up where the day lies beyond the alarm limit, or the mean of the "
        "last days beyond a limit of its own, and stays until the patient is back for some days.",
        days=report.baseline_size,
        **places,
    )
