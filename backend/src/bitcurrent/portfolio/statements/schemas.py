"""The list of statements on the wire of /api."""

from datetime import datetime

from bitcurrent.portfolio.statements.model import Month
from bitcurrent.web.schemas import Answer


class MonthAnswer(Answer, frozen=True, kw_only=True):
    """A month that a statement can be had of; one that `is_complete` changes no more."""

    month: str
    start: datetime
    end: datetime
    is_complete: bool
    pdf: str
    csv: str


def month_answer(month: Month, moment: datetime) -> MonthAnswer:
    """A month for its customer."""
    return MonthAnswer(
        month=str(month),
        start=month.start,
        end=month.end,
        is_complete=month.end <= moment,
        pdf=f"/api/statements/{month}/pdf",
        csv=f"/api/statements/{month}/csv",
    )
