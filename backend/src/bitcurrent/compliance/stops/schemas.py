"""What stands still, on the wire."""

from datetime import datetime

from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops import model
from bitcurrent.web.schemas import Answer


class StoppedAnswer(Answer, frozen=True, kw_only=True):
    """One thing that stands still. Null: every product, or every asset."""

    product: Product | None
    asset: str | None
    words: str
    since: datetime


class StatusAnswer(Answer, frozen=True, kw_only=True):
    """Whether everything runs, and what does not."""

    running: bool
    stopped: list[StoppedAnswer]


def stopped_answer(value: model.Stop) -> StoppedAnswer:
    """A stop as customers see it: not who made it, nor why."""
    return StoppedAnswer(product=value.product, asset=value.asset, words=value.words, since=value.started_at)
