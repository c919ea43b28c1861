"""The life of a flag in words: new, open, back, a new usual level; and flags that an earlier model raised."""

from collections.abc import Mapping
from datetime import date

from reports.data import CarriedFinding
from reports.findings import Episode, Finding, Lack, Stage
from reports.measures import MEASURE_BY_KEY, PAIN_MOVEMENTS
from reports.words.finding_sentences import amount, day_value, direction_of, opening, outside_usual, usual
from reports.words.labels import changed_word, lack_word, measure_words, phrase, state_word
from reports.words.language import NBSP, Language, clipped, day_and_month, days_between, listed, number_word, sentence

OFTEN_MEASURED = 0.5  # share of the days of a flag; below this the page says on how many days it could be measured
LONGEST_NOTE = 120  # characters of the note on an accepted level


def flag_sentence(say: Language, finding: Finding, day: date) -> str:
    """An open flag: what changed, by how much, since when, and for how long it has been flagged.

    `Less smiling than usual: 2%, usually 12 to 18%. Since about 16 March (15-17 Mar); day 5 of the flag, ...`
    """
    assert finding.episode is not None
    what = opening(say, finding)
    since = age(say, finding.episode, finding.stage, day)
    if finding.lack is not None:
        return f"{what}. {since} {_not_compared(say, finding.lack, day)}"
    if finding.signals:
        return say("{what}: {amount}. {since}", what=what, amount=amount(say, finding), since=since)
    numbers = {"date": day_and_month(say, day), "value": day_value(say, finding), "usual": usual(say, finding)}
    if outside_usual(finding):
        quiet = say("On {date} it was {value}, usually {usual}.", **numbers)
    else:
        quiet = say(
            "On {date} it was {value}, usually {usual}; it counts as back to usual after a few days like this.",
            **numbers,
        )
    return f"{what}. {since} {quiet}"


def age(say: Language, episode: Episode, stage: Stage, day: date) -> str:
    """When a change began, and for how long it has been flagged."""
    onset = onset_words(say, episode)
    if stage is Stage.NEW:
        if episode.onset == day:
            return say("New on {date}.", date=day_and_month(say, day))
        return say("New on {date}; it probably began about {onset}.", date=day_and_month(say, day), onset=onset)
    flagged = _day_of_flag(episode, day)
    if episode.reopened is not None:
        told = say(
            "Since about {onset}; day {days} of the flag. It had been back to usual, but returned on {date}.",
            onset=onset,
            days=flagged,
            date=day_and_month(say, episode.reopened),
        )
    else:
        told = say("Since about {onset}; day {days} of the flag, not back to usual yet.", onset=onset, days=flagged)
    if episode.days_open >= OFTEN_MEASURED * flagged:
        return told
    seldom = say.plural(
        "It could be measured on only one of these days.",
        "It could be measured on only {count} of these days.",
        episode.days_open,
        count=number_word(say, episode.days_open),
    )
    return f"{told} {seldom}"


def _day_of_flag(episode: Episode, day: date) -> int:
    """Which calendar day of the flag it is, with recordings or without."""
    return (day - episode.opened).days + 1


def onset_words(say: Language, episode: Episode) -> str:
    """The day on which a change most likely began, with its interval: `16 March (15-17 Mar)`."""
    onset = day_and_month(say, episode.onset)
    if episode.onset_from == episode.onset_to:
        return onset
    return f"{onset} ({days_between(say, episode.onset_from, episode.onset_to)})"


def back_sentence(say: Language, finding: Finding) -> str:
    """A measure that recently came back to usual."""
    episode = finding.episode
    assert episode is not None
    assert episode.closed is not None
    return say(
        "{measure} has been back to usual since {closed}; it had been {changed} since about {onset}.",
        measure=sentence(measure_words(say, finding.key).name),
        closed=day_and_month(say, episode.closed),
        changed=changed_word(say, episode.state),
        onset=day_and_month(say, episode.onset),
    )


def accepted_sentences(
    say: Language, findings: tuple[Finding, ...], notes: Mapping[str, str], needed: int
) -> tuple[str, ...]:
    """Measures with a new usual level that a person accepted. Those with the same day and note share a sentence.

    Args:
        say: the language.
        findings: those of stage ACCEPTED.
        notes: the note by Measure.key.
        needed: number of days at the new level before a measure is compared again.
    """
    groups: dict[tuple[date | None, str, bool], list[str]] = {}
    for finding in findings:
        key = (finding.accepted_on, notes.get(finding.key, ""), finding.baseline is None)
        groups.setdefault(key, []).append(measure_words(say, finding.key).name)
    told = []
    for (since, note, waiting), names in groups.items():
        assert since is not None
        places = {"measures": listed(say, names), "date": day_and_month(say, since)}
        if note:
            places["note"] = clipped(note, LONGEST_NOTE).rstrip(".")
            text = say("A new usual level was accepted for {measures} from {date} ({note}).", **places)
        else:
            text = say("A new usual level was accepted for {measures} from {date}.", **places)
        if waiting:
            text = f"{text} {say('The comparison starts again after {needed} days at the new level.', needed=needed)}"
        told.append(text)
    return tuple(told)


def new_level_sentence(say: Language, finding: Finding) -> str:
    """A measure whose change raised no flag, but lasted and became the usual level."""
    assert finding.new_level is not None
    return say(
        "{measure} has stayed {changed} since about {date}. This now counts as usual for this patient.",
        measure=sentence(measure_words(say, finding.key).name),
        changed=changed_word(say, finding.new_level.state),
        date=day_and_month(say, finding.new_level.since),
    )


def carried_sentence(say: Language, flag: CarriedFinding) -> str:
    """A flag of the earlier model whose measure the present model cannot compare yet."""
    return say(
        "The earlier computer model found {measure} {changed} than usual from about {onset}, and not back to usual by "
        "{date}. The comparison starts again with the new model, so please keep an eye on it.",
        measure=measure_words(say, flag.measure).name,
        changed=changed_word(say, flag.state),
        onset=day_and_month(say, flag.onset),
        date=day_and_month(say, flag.last_told),
    )


def told_sentences(say: Language, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Differences without a flag, followed by a sentence that says so.

    Some, such as more smiling, never raise one. Others, such as less smiling on a single day, were not enough for one.
    """
    short = [each for each in findings if direction_of(each).value == MEASURE_BY_KEY[each.key].concern.value]
    never = [each for each in findings if each not in short]
    closing = (
        (short, say.plural("This is not enough for a flag.", "These are not enough for a flag.", len(short))),
        (never, say.plural("This does not raise a flag.", "These do not raise a flag.", len(never))),
    )
    told: list[str] = []
    for group, end in closing:
        if group:
            told += [say("{what}: {amount}.", what=opening(say, each), amount=amount(say, each)) for each in group]
            told.append(end)
    return tuple(told)


def hidden_sentences(say: Language, findings: tuple[Finding, ...], phrases: tuple[Finding, ...]) -> tuple[str, ...]:
    """The measures that could not be compared on a day on which others were, unless a line on a flag says so.

    Under a mask, pain-related activity is not measured. If the brows above it are lowered more than usual, that is said
    instead, see `hidden_movements`.
    """
    groups: dict[Lack, list[str]] = {}
    for finding in findings:
        if finding.lack is not None and not finding.flagged and finding.stage is not Stage.ACCEPTED:
            groups.setdefault(finding.lack, []).append(finding.key)
    told = []
    for lack, keys in groups.items():
        names = listed(say, [measure_words(say, key).name for key in keys])
        told.append(say("Not compared: {measures} ({reason}).", measures=names, reason=lack_word(say, lack)))
    movements = hidden_movements(say, findings, phrases)
    if movements:
        told.append(movements_sentence(say, movements))
    return tuple(told)


def hidden_movements(say: Language, findings: tuple[Finding, ...], phrases: tuple[Finding, ...]) -> tuple[str, ...]:
    """The pain-related movements that were stronger than usual on a day that cannot tell pain-related activity."""
    pain = next(finding for finding in findings if finding.key == "pain_activity")
    if pain.lack is not Lack.NOT_MEASURED or pain.flagged or pain.stage is Stage.ACCEPTED:
        return ()
    told = [measure.key for measure in PAIN_MOVEMENTS]
    return tuple(
        phrase(say, each.key) for each in phrases if each.key in told and each.flagged and outside_usual(each) > 0
    )


def movements_sentence(say: Language, movements: tuple[str, ...]) -> str:
    """The sentence about `hidden_movements`."""
    return say("Pain-related movements stronger than usual: {movements}.", movements=", ".join(movements))


def other_times(say: Language, since: date | None) -> tuple[str, ...]:
    """A caution if recordings moved with the change, as from morning to evening: a face differs by the time of day."""
    if since is None:
        return ()
    day = day_and_month(say, since)
    return (say("Less reliable: since {date}, most recordings were made at other times of day than before.", date=day),)


def standing(say: Language, finding: Finding, day: date) -> str:
    """The state of a measure in a few words, for a row: `higher, day 5`.

    Reasons that hold for the whole day, such as a face that was not seen, are in the first lines of the page instead.
    """
    if finding.flagged and finding.episode is not None:
        return _flag_standing(say, finding, finding.episode, day)
    if finding.stage is Stage.ACCEPTED and finding.accepted_on is not None:
        return say("new level since {date}", date=day_and_month(say, finding.accepted_on))
    if finding.lack is not None:
        if finding.lack in (Lack.NO_BASELINE, Lack.NEW_SITUATION):
            return say("not compared yet")
        return lack_word(say, finding.lack) if finding.lack is Lack.NOT_MEASURED else state_word(say, finding.state)
    if finding.told:
        return say("{changed}, no flag", changed=changed_word(say, direction_of(finding)))
    if finding.stage is Stage.BACK and finding.episode is not None and finding.episode.closed is not None:
        back = say("back since {date}", date=day_and_month(say, finding.episode.closed))
        return f"{back}; {_within_limits(say, finding)}" if outside_usual(finding) else back
    return _within_limits(say, finding)


def _flag_standing(say: Language, finding: Finding, episode: Episode, day: date) -> str:
    changed = changed_word(say, episode.state)
    if finding.stage is Stage.NEW:
        return say("{changed}, new", changed=changed)
    if finding.lack is not None:
        return say("{changed}, not compared", changed=changed)
    # A no-break space keeps the number with its word where a narrow column breaks the line.
    return NBSP.join(say("{changed}, day {days}", changed=changed, days=_day_of_flag(episode, day)).rsplit(" ", 1))


def _within_limits(say: Language, finding: Finding) -> str:
    """The state of a day without a flag. One such day in five is outside the usual range, and the row must say so."""
    side = outside_usual(finding)
    if side > 0:
        return say("above usual, within the limit")
    return say("below usual, within the limit") if side < 0 else state_word(say, finding.state)


def _not_compared(say: Language, lack: Lack, day: date) -> str:
    date_shown, reason = day_and_month(say, day), lack_word(say, lack)
    return say("On {date} it could not be compared: {reason}.", date=date_shown, reason=reason)
