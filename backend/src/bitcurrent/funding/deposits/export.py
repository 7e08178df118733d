"""Deposits' part of an export of everything about a customer."""

from collections.abc import Iterable

from bitcurrent.funding.deposits import export_repository as repository
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Part


def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
    """What a customer paid in, with which card, and the bonuses that came of it."""
    yield Part("deposits", repository.deposit_rows(connection, user_id))
    yield Part("bonuses", repository.bonus_rows(connection, user_id))
