"""The ledger's part of an export: every balance, and every line that explains it."""

from collections.abc import Iterable

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Part
from bitcurrent.ledger import repository


def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
    """A customer's books."""
    yield Part("balances", repository.balance_rows(connection, user_id))
    yield Part("ledger", repository.entry_rows(connection, user_id))
