from pmfer.expressions import EXPRESSION_NAMES, EXPRESSIONS
from pmfer.facs import ACTION_UNITS, AU_BY_NUMBER, NEUTRAL_PHRASES
from pmfer.prompts import PHRASES


def test_every_unit_has_a_canonical_phrase_and_at_least_four_paraphrases() -> None:
    for phrase in PHRASES:
        assert len(set(phrase.wordings)) >= 5, phrase.key


def test_no_wording_stands_for_two_phrases() -> None:
    wordings = [wording for phrase in PHRASES for wording in phrase.wordings]
    assert len(wordings) == len(set(wordings))


def test_no_phrase_names_an_expression() -> None:
    stems = ("neutral", "happ", "surpris", "sad", "ang", "disgust", "fear", "contempt", "pain", "smil", "laugh", "cry")
    for item in (*ACTION_UNITS, *NEUTRAL_PHRASES):
        for wording in item.phrases:
            assert not any(word.startswith(stems) for word in wording.split()), wording


def test_every_unit_of_an_expression_exists_and_probabilities_are_in_range() -> None:
    for expression in EXPRESSIONS:
        assert set(expression.core) | set(expression.frequency) <= set(AU_BY_NUMBER)
        assert all(0 < expression.probability(unit.number) < 1 for unit in ACTION_UNITS)


def test_every_core_unit_has_a_frequency() -> None:
    for expression in EXPRESSIONS:
        assert set(expression.core) <= set(expression.frequency), expression.name


def test_the_order_is_that_of_the_ferplus_label_file() -> None:
    assert EXPRESSION_NAMES == (
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
    )
