"""Evidence of conduct as operators see it."""

from datetime import datetime
from uuid import UUID

from bitcurrent.compliance.conduct import model
from bitcurrent.compliance.conduct.packs import Jurisdiction, Step
from bitcurrent.web.schemas import Answer


class AnsweredQuestion(Answer, frozen=True, kw_only=True):
    """Something that was asked, the answer in the words that were chosen, and, in a test, whether it was right."""

    question: str
    answer: str
    right: bool | None


class EvidenceAnswer(Answer, frozen=True, kw_only=True):
    """One piece of evidence. `text_sha256` is of what was shown, of a test with its questions."""

    id: UUID
    at: datetime
    jurisdiction: Jurisdiction
    version: int
    step: Step
    outcome: model.Outcome
    choice: str | None
    refers_to: UUID | None
    origin: model.Origin
    address: str
    device: str
    text_sha256: str
    shown: str
    answers: list[AnsweredQuestion]


def evidence_answer(one: model.Evidence) -> EvidenceAnswer:
    """A piece of evidence on the wire."""
    return EvidenceAnswer(
        id=one.id,
        at=one.at,
        jurisdiction=one.jurisdiction,
        version=one.version,
        step=one.step,
        outcome=one.outcome,
        choice=one.choice,
        refers_to=one.refers_to,
        origin=one.origin,
        address=one.content.address,
        device=one.content.device,
        text_sha256=one.text_sha256.hex(),
        shown=one.content.shown,
        answers=[
            AnsweredQuestion(question=each.question, answer=each.answer, right=each.right)
            for each in one.content.answers
        ],
    )
