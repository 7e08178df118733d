"""Evidence of conduct on paper, for people who were not there."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from bitcurrent.compliance.conduct.model import Evidence, Standing
from bitcurrent.kernel.ids import UserId
from bitcurrent.portfolio.paper import heading, headline, line, new_paper

if TYPE_CHECKING:
    from fpdf import FPDF

EVIDENCE_MAX: Final = 500
_MARKS: Final = {True: " (right)", False: " (wrong)", None: ""}


def write_pdf(user_id: UserId, standing: Standing, found: Sequence[Evidence], *, made_at: datetime) -> bytes:
    """The bytes of a PDF. Takes a moment: call it aside from the event loop."""
    title = "Evidence of conduct"
    pdf = new_paper(title, footer=f"{title} {user_id}", made_at=made_at)
    headline(pdf, title)
    line(pdf, f"Customer {user_id}")
    line(pdf, f"Made {made_at:%Y-%m-%d %H:%M:%S} UTC")
    pack = standing.pack
    line(pdf, f"Rules that count now: {pack.jurisdiction}, version {pack.version}. All steps taken: {_yes(standing)}.")
    for step in standing.steps:
        done = f", done {step.done_at:%Y-%m-%d %H:%M:%S} UTC" if step.done_at else ""
        line(pdf, f"  {step.step}: {step.state}{done}")
    pdf.ln(3)
    if not found:
        line(pdf, "Nothing was shown to this customer so far.")
    for one in found[:EVIDENCE_MAX]:
        _piece(pdf, one)
    if len(found) > EVIDENCE_MAX:
        line(pdf, f"INCOMPLETE: these are the newest {EVIDENCE_MAX}. The list as CSV has all of them.")
    return bytes(pdf.output())


def _piece(pdf: "FPDF", one: Evidence) -> None:
    choice = f" {one.choice}" if one.choice else ""
    heading(pdf, f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {one.step}: {one.outcome}{choice}")
    by = "the demo, nobody was asked" if one.origin == "demo" else one.content.address
    line(pdf, f"Rules {one.jurisdiction} version {one.version}; from {by}; {one.content.device}")
    line(pdf, f"Evidence {one.id}; SHA-256 of what was shown {one.text_sha256.hex()}")
    line(pdf, one.content.shown)
    if one.outcome == "begun":
        for question in one.content.questions:
            line(pdf, f"Asked: {question.asks} [{' | '.join(question.options)}]")
    for answered in one.content.answers:
        line(pdf, f"{answered.question} - {answered.answer}{_MARKS[answered.right]}")
    pdf.ln(2)


def _yes(standing: Standing) -> str:
    return "yes" if standing.complete else "no"
