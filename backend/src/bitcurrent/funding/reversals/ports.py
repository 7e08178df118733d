"""Whom reversals tell what they have touched."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from bitcurrent.kernel.ids import UserId

DepositReversed = Callable[[Any, UserId, UUID], Awaitable[None]]
"""Told of a deposit's customer and its id, in the transaction in which it is refunded or disputed.

The connection is one of kernel.database (ports name no driver).
"""
