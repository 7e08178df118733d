"""What the processor is answered."""

from typing import Literal

from bitcurrent.web.schemas import Answer


class EventTaken(Answer, frozen=True, kw_only=True):
    """The event is kept, now or since earlier."""

    received: Literal[True] = True
