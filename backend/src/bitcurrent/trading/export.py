"""Trading's part of an export: every order and every fill."""

from collections.abc import Iterable

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Part
from bitcurrent.trading import history_repository


def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
    """What a customer ordered, and what became of it."""
    yield Part("orders", history_repository.order_rows(connection, user_id))
    yield Part("fills", history_repository.fill_rows(connection, user_id))
