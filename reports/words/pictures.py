"""What each picture says to who cannot see it: the finding with its numbers."""

from reports.evidence import CareEvents, LeadingPhrase
from reports.findings import Finding
from reports.measures import Unit
from reports.patient import SessionLine
from reports.trends import Trend
from reports.words.finding_sentences import numbers, result, rule_words
from reports.words.labels import measure_name, phrase_name, unit_name
from reports.words.language import Language, clock, figure, full_date, number_word, sentence, short_date
from reports.words.patient_sentences import care_line


def trend_text(say: Language, trend: Trend) -> str:
    """What a trend chart shows."""
    days = (trend.last_day - trend.first_day).days + 1
    seen = sum(point.value is not None for point in trend.points)
    return say(
        "{measure} over the {days} days up to {date}. {told} Days with enough data: {seen} of {days}.",
        measure=measure_name(say, trend.finding.key),
        days=days,
        date=full_date(say, trend.last_day),
        told=_told(say, trend.finding),
        seen=seen,
    )


def heat_text(say: Language, trend: Trend) -> str:
    """What the strip of one phrase shows."""
    values = [point.value for point in trend.points if point.value is not None]
    told = say("{measure}. {told}", measure=measure_name(say, trend.finding.key), told=_told(say, trend.finding))
    if not values:
        return told
    spread = say(
        "Between {low} and {high} on the days shown.",
        low=figure(say, min(values), Unit.SCALE),
        high=figure(say, max(values), Unit.SCALE),
    )
    return f"{told} {spread}"


def _told(say: Language, finding: Finding) -> str:
    known, outcome, rules = numbers(say, finding), sentence(result(say, finding)), rule_words(say, finding)
    sentences = [f"{part}." for part in (known, outcome, sentence(rules)) if part]
    return " ".join(sentences)


def strip_text(say: Language, sessions: tuple[SessionLine, ...]) -> str:
    """What the strip of the day shows."""
    used = [line for line in sessions if line.usable]
    first, last = clock(say, sessions[0].minute_of_day), clock(say, sessions[-1].minute_of_day)
    told = say.plural(
        "One session at {first}; sessions with enough data: {used}.",
        "{count} sessions between {first} and {last}; sessions with enough data: {used}.",
        len(sessions),
        count=number_word(say, len(sessions)),
        first=first,
        last=last,
        used=len(used),
    )
    if not used:
        return sentence(told)
    pain = max(used, key=lambda line: line.pain_activity or 0.0)
    smile = max(used, key=lambda line: line.smiling or 0.0)
    most = say(
        "Most pain-related facial activity at {pain_time}: {pain}. Most smiling at {smile_time}: {smiling}.",
        pain_time=clock(say, pain.minute_of_day),
        pain=figure(say, pain.pain_activity, Unit.SCALE),
        smile_time=clock(say, smile.minute_of_day),
        smiling=figure(say, smile.smiling, Unit.TIME_SHARE),
    )
    return f"{sentence(told)} {most}"


def nothing_marked(say: Language, *, seen: bool) -> str:
    """Why the drawn face has no marks."""
    return say("No phrase stands out today.") if seen else say("The face was not seen enough today.")


def face_text(say: Language, leading: tuple[LeadingPhrase, ...], *, seen: bool) -> str:
    """What the drawn face marks."""
    if not leading:
        return say("Drawing of a face without marks. {why}", why=nothing_marked(say, seen=seen))
    marked = "; ".join(
        say(
            "{number}: {phrase} ({unit}), {value}",
            number=number,
            phrase=phrase_name(say, phrase.column),
            unit=unit_name(phrase.column),
            value=leading_numbers(say, phrase),
        )
        for number, phrase in enumerate(leading, start=1)
    )
    return say("Drawing of a face, no photograph, that marks where the leading phrases sit. {marked}.", marked=marked)


def leading_numbers(say: Language, phrase: LeadingPhrase) -> str:
    """A leading phrase's score today, and before."""
    value = figure(say, phrase.value, Unit.SCALE)
    if phrase.usual is None:
        return say("{value} today", value=value)
    return say("{value} today, usually about {usual}", value=value, usual=figure(say, phrase.usual, Unit.SCALE))


def care_text(say: Language, events: CareEvents) -> str:
    """What the strip of care events shows."""
    return " ".join(
        say(
            "{letter}: {told}, on {days}.",
            letter=line.letter,
            told=care_line(say, line),
            days=", ".join(short_date(say, day) for day in line.days),
        )
        for line in events.lines
    )
