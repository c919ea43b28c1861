"""The expressions, and the action units that make them up. Standard library only.

Core units follow EMFACS (Friesen and Ekman 1983). Frequencies follow Du, Tao and Martinez, "Compound facial expressions
of emotion", PNAS 111 (2014), table 1, where the paper states one. The rest is our choice, as noted below.
"""

from dataclasses import dataclass, field

DU_CORE = 0.85  # Du et al. list the unit as used by more than 70 % of people; the figure within that range is ours
EMFACS_ONLY = 0.40  # core in EMFACS but not observed by Du et al.; the figure is ours
ABSENT = 0.03  # any unit not listed for the class; ours, and not zero, because raters and faces disagree


@dataclass(frozen=True)
class Expression:
    """One expression class.

    `core` units are in every prompt of the class. `frequency` maps an AU number to P(AU shown | class) in 0..1. It is
    both the probability of an optional phrase in a prompt and the soft target of phrase alignment.
    """

    name: str
    core: tuple[int, ...]
    frequency: dict[int, float] = field(default_factory=dict)

    @property
    def optional(self) -> dict[int, float]:
        """Units that are not core, with the probability of each to be in a prompt."""
        return {number: p for number, p in self.frequency.items() if number not in self.core}

    def probability(self, number: int) -> float:
        """P(AU `number` is shown | this expression), 0..1."""
        return self.frequency.get(number, ABSENT)


# In the order of the FERPlus label file, which is also the order of the columns everywhere.
EXPRESSIONS: tuple[Expression, ...] = (
    Expression("neutral", ()),
    Expression("happiness", (6, 12), {6: 0.51, 12: 0.97, 25: DU_CORE}),
    Expression("surprise", (1, 2, 5, 26), {1: DU_CORE, 2: DU_CORE, 5: 0.66, 25: DU_CORE, 26: DU_CORE, 27: 0.30}),
    Expression("sadness", (1, 4, 15), {1: 0.60, 4: DU_CORE, 6: 0.30, 15: DU_CORE, 17: 0.67}),
    Expression(
        "anger",
        (4, 5, 7, 23),
        {4: DU_CORE, 5: EMFACS_ONLY, 7: DU_CORE, 10: 0.26, 17: 0.52, 23: 0.35, 24: DU_CORE},
    ),
    Expression(
        "disgust",
        (9, 15, 16),
        {4: 0.31, 9: DU_CORE, 10: DU_CORE, 15: EMFACS_ONLY, 16: EMFACS_ONLY, 17: DU_CORE, 24: 0.26},
    ),
    Expression(
        "fear",
        (1, 2, 4, 5, 7, 20, 26),
        {1: DU_CORE, 2: 0.57, 4: DU_CORE, 5: 0.63, 7: EMFACS_ONLY, 20: DU_CORE, 25: DU_CORE, 26: 0.33},
    ),
    Expression("contempt", (12, 14), {12: 0.50, 14: DU_CORE}),
)

EXPRESSION_NAMES: tuple[str, ...] = tuple(expression.name for expression in EXPRESSIONS)
