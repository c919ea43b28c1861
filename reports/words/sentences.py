"""Sentences about one patient's day: the lead, the findings, and what each picture says to who cannot see it."""

# ruff: noqa: RUF001  (typographic apostrophes are meant)
from dataclasses import dataclass

from reports.measures import MEASURE_BY_KEY, Unit
from reports.origin import Origin
from reports.patient import PatientReport, SessionLine
from reports.quality import Quality
from reports.thresholds import Thresholds
from reports.trend import Finding, Lack, Rule, State, Trend
from reports.words.formats import (
    NBSP,
    clock,
    count,
    digits_for,
    figure,
    full_date,
    number_word,
    percent,
    thousands,
    today,
    usual,
)
from reports.words.labels import ASK, FRAME_WORDS, LACK_WORDS, MEASURE_WORDS, STATE_WORDS, measure_name

LISTED_CHANGES = 3  # changes told in full under the headline; the charts mark all of them


@dataclass(frozen=True)
class Lead:
    """The words at the top of a patient's report."""

    headline: str
    changes: tuple[tuple[State, str], ...]  # a sentence per change, the largest first
    notes: tuple[str, ...]


def finding_sentence(finding: Finding) -> str:
    """Such as `Smiled less than usual today: 4 % of the observed time, usually 11 to 19 %.` Only for a flagged one."""
    words = MEASURE_WORDS[finding.key]
    opening = words.higher if finding.state is State.HIGHER else words.lower
    if all(signal.rule is not Rule.BEYOND_LIMITS for signal in finding.signals) and finding.signals:
        return _sentence_of_days(finding, opening)
    return f"{opening}: {_amount(finding)}, usually{NBSP}{usual(finding)}."


def _sentence_of_days(finding: Finding, opening: str) -> str:
    """Where the last days together changed, today's value may well lie within the range: their mean is told."""
    unit = MEASURE_BY_KEY[finding.key].unit
    centre = finding.baseline.centre if finding.baseline else None
    amount = f"{figure(finding.recent, unit)} {_kind(unit)} on average, usually around{NBSP}{figure(centre, unit)}"
    return f"{opening.removesuffix(' today')} over the last days: {amount}."


def _amount(finding: Finding) -> str:
    unit = MEASURE_BY_KEY[finding.key].unit
    return f"{figure(finding.value, unit, digits_for(finding))} {_kind(unit)}"


def _kind(unit: Unit) -> str:
    return "of the observed time" if unit is Unit.TIME_SHARE else f"on a scale of 0 to{NBSP}100"


def lead(report: PatientReport) -> Lead:
    """The headline and what stands under it."""
    if report.changes:
        return _lead_of_changes(report)
    if report.lack is None:
        measures = count(len(report.trends), "measure")
        note = f"All {measures} lie within the usual range, which rests on {_base(report)}."
        told = _told_only(report)
        return Lead("Today is like this patient’s usual days.", (), (told or note, *_cautions(report)))
    headline, notes = _lead_of_lack(report, report.lack)
    return Lead(headline, (), notes)


def _told_only(report: PatientReport) -> str:
    """Changes that ask for no look, such as more smiling; empty if there are none."""
    names = [f"{measure_name(finding.key).lower()} {result(finding)}" for finding in report.findings if finding.told]
    return f"Noticed all the same: {'; '.join(names)}." if names else ""


def _lead_of_changes(report: PatientReport) -> Lead:
    changes = report.changes
    things = count(len(changes), "thing").capitalize()
    listed = tuple((finding.state, finding_sentence(finding)) for finding in changes[:LISTED_CHANGES])
    more = len(changes) - len(listed)
    notes = [f"{count(more, 'more change').capitalize()} {'is' if more == 1 else 'are'} marked below."] if more else []
    headline = f"{things} {'is' if len(changes) == 1 else 'are'} different today."
    return Lead(headline, listed, (*notes, ASK, *_cautions(report)))


def _lead_of_lack(report: PatientReport, lack: Lack) -> tuple[str, tuple[str, ...]]:
    if lack is Lack.NO_SESSION:
        return "Insufficient data: no session was recorded today.", ("There is nothing to compare.",)
    if lack is Lack.ALL_SET_ASIDE:
        number = len(report.set_aside)
        which = "the only session" if number == 1 else f"all {count(number, 'session')}"
        verb = "was" if number == 1 else "were"
        note = "Nothing could be analysed. The reasons are on the second page."
        return f"Insufficient data: {which} of today {verb} set aside.", (note,)
    if lack is Lack.NO_BASELINE:
        return _lead_of_no_baseline(report)
    return f"Insufficient data: {LACK_WORDS[lack]}.", (_too_little(report.quality, report.thresholds),)


def _lead_of_no_baseline(report: PatientReport) -> tuple[str, tuple[str, ...]]:
    needed = report.thresholds.min_baseline_days
    need = (
        f"A usual range needs {count(needed, 'earlier day')} with enough data; so far there {_are(report.days_before)}."
    )
    until = "Until then this report shows what was seen and compares nothing."
    if report.sessions_on_record == 1:
        only = "This is the only session on record. One session is no trend, and there is nothing to compare it with."
        return "First session: there is no trend yet.", (only, need, until)
    if report.days_before == 0:
        return "First day: there is no trend yet.", (need, until)
    return "Insufficient data: no usual range yet.", (need, until, *_cautions(report))


def _are(number: int) -> str:
    if number < 2:
        return "is one" if number else "is none"
    return f"are {number_word(number)}"


def _base(report: PatientReport) -> str:
    return f"{count(report.baseline_size, 'earlier day')} with enough data"


def _too_little(quality: Quality, thresholds: Thresholds) -> str:
    return (
        f"{thousands(quality.frames_scored)} of {thousands(quality.frames_sampled)} frames in "
        f"{count(quality.sessions, 'session')} could be analysed. A session counts from "
        f"{thresholds.min_frames_per_session} frames and {percent(thresholds.min_scored_share)} of its length, a day "
        f"from {thresholds.min_frames_per_day} frames."
    )


def _cautions(report: PatientReport) -> tuple[str, ...]:
    """What to keep in mind about a day that was compared."""
    notes = []
    if report.quality.sessions_used == 1:
        notes.append("Today rests on a single session.")
    if report.set_aside:
        number = len(report.set_aside)
        notes.append(f"{count(number, 'session').capitalize()} of today {'was' if number == 1 else 'were'} set aside.")
    return tuple(notes)


def numbers(finding: Finding) -> str:
    """Today's value and the usual range, as far as they are known: `Today 44, usually 12 to 18`."""
    text = ", ".join(_known(finding))
    return text[:1].upper() + text[1:]


def _known(finding: Finding) -> list[str]:
    known = []
    if finding.value is not None:
        known.append(f"today{NBSP}{today(finding)}")
    if finding.baseline is not None:
        known.append(f"usually{NBSP}{usual(finding)}")
    return known


def result(finding: Finding) -> str:
    """The finding in two or three words, with the reason where it abstains."""
    if finding.lack is not None:
        return f"{STATE_WORDS[finding.state]}: {LACK_WORDS[finding.lack]}"
    if finding.told and not finding.flagged:
        return f"{STATE_WORDS[finding.told[0].state]}, no flag"
    return STATE_WORDS[finding.state]


def trend_text(trend: Trend) -> str:
    """What a trend chart shows, for who cannot see it."""
    finding = trend.finding
    days = (trend.last_day - trend.first_day).days + 1
    seen = sum(point.value is not None for point in trend.points)
    return (
        f"{measure_name(finding.key)} over the {days} days up to {full_date(trend.last_day)}: {_told(finding)} "
        f"Days with enough data: {seen} of {days}."
    )


def bar_text(finding: Finding) -> str:
    """What a bar of one phrase shows, for who cannot see it."""
    return f"{measure_name(finding.key)}: {_told(finding)}"


def _told(finding: Finding) -> str:
    return f"{', '.join([*_known(finding), result(finding)])}."


def strip_text(sessions: tuple[SessionLine, ...]) -> str:
    """What the strip of the day shows, for who cannot see it."""
    used = [line for line in sessions if line.usable]
    first, last = clock(sessions[0].minute_of_day), clock(sessions[-1].minute_of_day)
    when = f"at {first}" if len(sessions) == 1 else f"between {first} and {last}"
    text = f"{count(len(sessions), 'session').capitalize()} {when}, {number_word(len(used))} with enough data."
    for name, values in (
        ("pain-related facial activity", [(line.pain_activity or 0.0, line) for line in used]),
        ("smiling", [(line.smiling or 0.0, line) for line in used]),
    ):
        if values:
            most, line = max(values, key=lambda pair: pair[0])
            unit = Unit.SCALE if name != "smiling" else Unit.TIME_SHARE
            text += f" Most {name} at {clock(line.minute_of_day)}: {figure(most, unit)}."
    return text


def listing(report: PatientReport, listed: int) -> str:
    """Caption of the table of sessions."""
    total = len(report.sessions)
    if listed == total:
        return f"{count(total, 'session').capitalize()} by time"
    some = f"{number_word(listed)} of {number_word(total)} sessions"
    return f"The {some} with the most pain-related facial activity, by time"


def more_set_aside(report: PatientReport) -> str:
    """What the table of sessions set aside leaves out."""
    return f"And {count(len(report.set_aside) - report.thresholds.listed_set_aside, 'more session')}."


def phrases_caption(report: PatientReport) -> str:
    """Caption of the table of phrases."""
    span = f", in the usual range of {count(report.baseline_size, 'day')}" if report.baseline_size else ""
    return f"How closely the face fitted each phrase today, on a scale of 0 to{NBSP}100{span}"


def quality(found: Quality) -> tuple[str, ...]:
    """How much could be analysed, and why the rest could not."""
    if not found.frames_sampled:
        return ("No frame could be looked at.",)
    sentences = [
        f"{thousands(found.frames_scored)} of {thousands(found.frames_sampled)} frames "
        f"({percent(found.scored_share)}) could be analysed."
    ]
    if found.unscored:
        reasons = ", ".join(f"{FRAME_WORDS[reason]} {thousands(number)}" for reason, number in found.unscored)
        sentences.append(f"Not analysed: {reasons}.")
    if found.frames_several_faces:
        share = percent(found.frames_several_faces / found.frames_sampled)
        sentences.append(f"Other people in view in {share} of the frames; counted, never analysed.")
    left_out = found.sessions - found.sessions_used
    if left_out:
        sentences.append(f"{count(left_out, 'session').capitalize()} showed too little of the face to count.")
    if found.sessions_with_warning:
        number = count(found.sessions_with_warning, "recording").capitalize()
        sentences.append(f"{number} {'is' if found.sessions_with_warning == 1 else 'are'} damaged in part.")
    return tuple(sentences)


def basis(report: PatientReport) -> str:
    """How the usual range was made, in one sentence."""
    limits = report.thresholds
    rests = f"here {count(report.baseline_size, 'day')}" if report.baseline_size else "not reached yet"
    return (
        f"Usual range: from the first {limits.min_baseline_days} to {limits.max_baseline_days} days with enough data "
        f"and no change ({rests}), wider while there are few. Single days and the mean of the last days are compared."
    )


def origin_line(origin: Origin) -> str:
    """Where the numbers come from, for the footer."""
    rate = origin.frames_per_second
    sampling = "every frame" if rate is None else f"{rate:g} frames a second"
    prompts = f", prompts {origin.prompt_set_sha256[:12]}" if origin.prompt_set_sha256 else ""
    return (
        f"Model {origin.bundle_name or ''} {origin.bundle_id[:12]}{prompts}, {sampling}, options "
        f"{origin.options_sha256[:12]}, scored by version {origin.scored_by}, reported by {origin.software}"
    )
