"""Text alternatives of the charts, for readers who cannot see them: the finding with its numbers."""

from reports.evidence import CareEvents, LeadingPhrase
from reports.findings import Finding
from reports.measures import MEASURE_BY_KEY, Unit
from reports.patient import Glance, SessionLine
from reports.trends import Trend
from reports.words.finding_sentences import numbers, rule_words, usual_span
from reports.words.flag_sentences import standing
from reports.words.labels import measure_name, phrase_name, situation_word, unit_name
from reports.words.language import Language, clock, figure, full_date, number_word, sentence, short_date
from reports.words.patient_sentences import care_line


def trend_text(say: Language, trend: Trend) -> str:
    """Text of a trend chart."""
    days = (trend.last_day - trend.first_day).days + 1
    seen = sum(point.value is not None for point in trend.points)
    return say(
        "{measure} over the {days} days up to {date}. {told} Days with enough data: {seen} of {days}.",
        measure=measure_name(say, trend.finding.key),
        days=days,
        date=full_date(say, trend.last_day),
        told=_told(say, trend),
        seen=seen,
    )


def glance_text(say: Language, glance: Glance) -> str:
    """Text of the small chart of three months."""
    values = [value for _, value in glance.points]
    unit = MEASURE_BY_KEY[glance.key].unit
    places = {
        "measure": measure_name(say, glance.key),
        "days": (glance.last_day - glance.first_day).days + 1,
        "seen": len(values),
    }
    if not values:
        return say("{measure} over {days} days: no values.", **places)
    ends = usual_span(say, (min(values), max(values)), unit)
    return say("{measure} over {days} days; days with a value: {seen}; values: {ends}.", ends=ends, **places)


def heat_text(say: Language, trend: Trend) -> str:
    """Text of the heat strip of one phrase."""
    values = [point.value for point in trend.points if point.value is not None]
    told = say("{measure}. {told}", measure=measure_name(say, trend.finding.key), told=_told(say, trend))
    if not values:
        return told
    spread = say("On the days shown: {ends}.", ends=usual_span(say, (min(values), max(values)), Unit.SCALE))
    return f"{told} {spread}"


def _told(say: Language, trend: Trend) -> str:
    finding: Finding = trend.finding
    parts = (numbers(say, finding), standing(say, finding, trend.last_day), rule_words(say, finding))
    return " ".join(f"{sentence(part)}." for part in parts if part)


def strip_text(say: Language, sessions: tuple[SessionLine, ...]) -> str:
    """Text of the strip of the day's recordings."""
    used = [line for line in sessions if line.usable]
    first, last = clock(say, sessions[0].minute_of_day), clock(say, sessions[-1].minute_of_day)
    told = say.plural(
        "One recording at {first}; {used} showed enough of the face.",
        "{count} recordings between {first} and {last}; {used} showed enough of the face.",
        len(sessions),
        count=number_word(say, len(sessions)),
        first=first,
        last=last,
        used=len(used),
    )
    parts = [sentence(told)]
    if used:
        pain = max(used, key=lambda line: line.pain_activity or 0.0)
        smile = max(used, key=lambda line: line.smiling or 0.0)
        most = say(
            "Most pain-related facial activity at {pain_time}: {pain}. Most smiling at {smile_time}: {smiling}.",
            pain_time=clock(say, pain.minute_of_day),
            pain=figure(say, pain.pain_activity, Unit.SCALE),
            smile_time=clock(say, smile.minute_of_day),
            smiling=figure(say, smile.smiling, Unit.TIME_SHARE),
        )
        parts.append(most)
    situations = [
        f"{clock(say, line.minute_of_day)} {situation_word(say, line.situation)}" for line in sessions if line.situation
    ]
    if situations:
        parts.append(f"{sentence(', '.join(situations))}.")
    return " ".join(parts)


def nothing_marked(say: Language, *, seen: bool) -> str:
    """Why the drawn face has no marks."""
    return say("Nothing stands out.") if seen else say("The face was not seen enough.")


def face_text(say: Language, leading: tuple[LeadingPhrase, ...], *, seen: bool) -> str:
    """Text of the drawn face."""
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
    return say("Drawing of a face, not a photograph, that marks what stands out. {marked}.", marked=marked)


def leading_numbers(say: Language, phrase: LeadingPhrase) -> str:
    """A leading phrase's score on the day, and its usual range, the same as in the table of phrases."""
    value = figure(say, phrase.value, Unit.SCALE)
    if phrase.usual is None:
        return value
    return say("{value}, usually {usual}", value=value, usual=usual_span(say, phrase.usual, Unit.SCALE))


def care_text(say: Language, events: CareEvents) -> str:
    """Text of the strip of care events."""
    return " ".join(
        say(
            "{letter}: {told}, on {days}.",
            letter=line.letter,
            told=care_line(say, line),
            days=", ".join(short_date(say, day) for day in line.days),
        )
        for line in events.lines
    )
