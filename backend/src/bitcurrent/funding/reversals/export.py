"""What card money went through, as a part of an export of everything about a customer."""

from collections.abc import Iterable

from bitcurrent.funding.reversals import export_repository as repository
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Part


def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
    """Card payments with their release dates, refunds, disputes and debts."""
    yield Part("card_payments", repository.lot_rows(connection, user_id))
    yield Part("refunds", repository.refund_rows(connection, user_id))
    yield Part("disputes", repository.dispute_rows(connection, user_id))
    yield Part("debts", repository.debt_rows(connection, user_id))
