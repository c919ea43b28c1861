"""Sentences of a patient's report below its first lines: recordings, care, moments, data quality, usual range."""

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
from reports.words.patient_lead import baseline_days, unusable

LONGEST_ITEM = 40  # characters of a care event's item
LONGEST_NOTE = 48  # characters of its note
LONGEST_FILE = 120  # characters of a file's name in a command


def legend(say: Language, report: PatientReport) -> str:
    """The legend of the charts."""
    told = say(
        "Grey band: usual range, from the days with hollow dots. Dashed line: alarm limit. Diamond: {date}; the bar, "
        "and the numbers in brackets, show its uncertainty. Cross: face not seen enough.",
        date=day_and_month(say, report.day),
    )
    gap = say("Gap: no recording.") if report.model_since is None else say("Gap: nothing read by the new model.")
    return f"{told} {gap}"


def moments_caption(say: Language, report: PatientReport) -> str:
    """Caption of the moments: what they are, and what the commands do."""
    return say(
        "When each was strongest on {date}, and what stood out on the face. The command cuts a ten-second clip around "
        "that moment from the recording; run it where the recordings are kept.",
        date=day_and_month(say, report.day),
    )


def phrases_caption(say: Language, report: PatientReport) -> str:
    """Caption of the table of movements: how to read it."""
    return say(
        "One box a day: the darker, the more clearly it was seen; {date} is outlined. Numbers from 0 to 100. ▲ more, ▼ "
        "less than usual, in brackets: no clear change, = as usual, ◊ not compared.",
        date=day_and_month(say, report.day),
    )


def listing(say: Language, report: PatientReport, listed: int) -> str:
    """Caption of the table of sessions."""
    total = len(report.sessions)
    if listed == total:
        told = say.plural("One recording", "{count} recordings, in order of time", total, count=number_word(say, total))
        return sentence(told)
    if listed == 1:
        return say(
            "Of {total} recordings, the one with the most pain-related facial activity", total=number_word(say, total)
        )
    return say(
        "Of {total} recordings, the {listed} with the most pain-related facial activity, in order of time",
        listed=number_word(say, listed),
        total=number_word(say, total),
    )


def more_quarantined(say: Language, report: PatientReport, listed: int) -> str:
    """How many recordings that could not be used are not listed; empty if all are."""
    more = len(report.quarantined) - listed
    if not more:
        return ""
    if not listed:
        return unusable(say, report)
    return say.plural("And one more.", "And {count} more.", more, count=number_word(say, more))


def moment_phrases(say: Language, moment: Moment) -> str:
    """What stood out on the face in a moment, most prominent first."""
    names = ", ".join(phrase(say, leading.column) for leading in moment.phrases)
    return sentence(names) or say("nothing stands out")


def moment_place(say: Language, moment: Moment) -> str:
    """The situation of a moment, after a comma; empty if the session does not name one."""
    return f", {situation_word(say, moment.situation)}" if moment.situation else ""


def moment_names(say: Language, shared: SharedMoment) -> str:
    """The measures that a moment belongs to."""
    return sentence(", ".join(measure_words(say, key).name for key in shared.keys))


def moment_time(say: Language, moment: Moment) -> str:
    """The time of a moment within its recording, as video players show it."""
    return say("at {time}", time=player_time(moment.session_time_s))


def clip_command(moment: Moment, number: int) -> str:
    """The command that cuts a clip of a moment from its recording, to be run where the recordings are."""
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
    """The days of an item of care, with a full stop: `21 Mar.` or `12 days, last on 21 Mar.`."""
    last = short_date(say, line.days[-1])
    told = say.plural("{last}", "{count} days, last on {last}", len(line.days), last=last, count=len(line.days))
    return f"{told.rstrip('.')}."  # in German the month is short for something and has a full stop of its own


def context(say: Language, report: PatientReport) -> str:
    """What else was measured, with the usual range if there is one; empty if the day has too little data."""
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
    """How many items of care are not drawn; empty if all are."""
    if not left_out:
        return ""
    told = say.plural(
        "One more item is not shown.",
        "{count} more items are not shown.",
        left_out,
        count=number_word(say, left_out),
    )
    return sentence(told)


def quality(say: Language, found: Quality) -> tuple[str, ...]:
    """How much could be analysed, and why the rest could not."""
    if not found.frames_sampled:
        return (say("There are no pictures to read."),)
    sentences = [
        say(
            "The face could be read in {scored} of {sampled} pictures ({share}).",
            scored=thousands(say, found.frames_scored),
            sampled=thousands(say, found.frames_sampled),
            share=percent(say, found.scored_share),
        )
    ]
    if found.unscored:
        reasons = ", ".join(
            f"{frame_word(say, reason)} ({thousands(say, number)})" for reason, number in found.unscored
        )
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
            "One recording is partly damaged.",
            "{count} recordings are partly damaged.",
            found.sessions_with_warning,
            count=number_word(say, found.sessions_with_warning),
        )
        sentences.append(sentence(told))
    return tuple(sentences)


def basis(say: Language, report: PatientReport) -> str:
    """How the usual range is determined, and what raises a flag."""
    places = {"fewest": report.thresholds.min_baseline_days, "most": report.thresholds.max_baseline_days}
    if report.baseline_sizes is None:
        return say(
            "Usual range: from the first {fewest} to {most} days without a change; there are not enough yet.",
            **places,
        )
    return say(
        "Usual range: the middle 80% of the first {fewest} to {most} days without a change, here {days}; the whole "
        "range if there are fewer than 10. A flag goes up when the day is beyond the alarm limit, or the average of "
        "the last few days is beyond a limit of its own, and stays until the patient has been back to usual for some "
        "days.",
        days=baseline_days(say, report),
        **places,
    )
