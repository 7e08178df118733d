"""Withdrawals' part of an export of everything about a customer."""

from collections.abc import Iterable

from bitcurrent.funding.withdrawals import repository
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Part


def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
    """Every withdrawal, with what became of it."""
    yield Part("withdrawals", repository.withdrawal_rows(connection, user_id))
