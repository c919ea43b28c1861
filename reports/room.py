"""How much is spread out on a page, and what gives way where a report would not fit on its sheets.

What does not fit is drawn smaller, or counted instead of listed; nothing that was found is left out.
"""

from dataclasses import dataclass, replace

from reports.patient import PatientReport

PATIENT_SHEETS, WARD_SHEETS = 2, 1  # a report has no more


@dataclass(frozen=True)
class Sheets:
    """How many sheets a report took."""

    first_part: int  # up to the part that begins on a new sheet; all of them without such a part
    all: int


@dataclass(frozen=True)
class Rows:
    """Rows on a patient's second page."""

    sessions: int  # of the day, those with the most pain-related facial activity
    flags: int  # with moments to look at, the largest changes
    set_aside: int  # sessions in quarantine


SECOND_PAGES = (Rows(6, 5, 4), Rows(3, 5, 4), Rows(1, 5, 3), Rows(0, 4, 2), Rows(0, 3, 1), Rows(0, 1, 0))


@dataclass(frozen=True)
class PatientRoom:
    """What to spread out on a patient's two pages."""

    full_charts: int = 4  # trends with scales; the others are drawn small
    second_page: int = 0  # which of SECOND_PAGES

    @property
    def rows(self) -> Rows:
        """Rows on the second page."""
        return SECOND_PAGES[self.second_page]

    def smaller(self, sheets: Sheets) -> "PatientRoom | None":
        """What to try next after this took so many sheets; None if that is enough, or nothing is left to give way."""
        if sheets.all <= PATIENT_SHEETS:
            return None
        charts, page = self.full_charts, self.second_page
        if sheets.first_part > 1:
            charts = max(charts - 1, 0)
        if sheets.all - sheets.first_part > 1:
            page = min(page + 1, len(SECOND_PAGES) - 1)
        room = PatientRoom(charts, page)
        return None if room == self else room


@dataclass(frozen=True)
class WardRoom:
    """What to spread out on the ward's page."""

    changed: int = 8  # patients with a row of their own
    letters: int = 600  # of each list of patients; further ones are counted

    def smaller(self, sheets: Sheets) -> "WardRoom | None":
        """What to try next after this took so many sheets; None if that is enough, or nothing is left to give way."""
        if sheets.all <= WARD_SHEETS or self.changed == 1:
            return None
        return replace(self, changed=self.changed - 1, letters=75 * (self.changed - 1))


def usual_room(report: PatientReport) -> PatientRoom:
    """What usually fits: moments to look at take the place of sessions in the day's table."""
    return PatientRoom(second_page=1 if report.evidence else 0)
