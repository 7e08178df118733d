"""Who holds what: each room says which of its rows set customers' money aside; law I7 compares the sum with the books.

Orders, withdrawals, refunds, disputes and bonuses are holders. Who adds another one adds its `Holder` to its `laws`
and to the list in `reconciliation.service`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bitcurrent.ledger.verification import Law


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Something that holds money. `sql` selects user_id, currency and amount, in any number of rows, only positive."""

    name: str
    sql: str


def held_is_held_for_something(holders: Sequence[Holder]) -> Law:
    """Law I7 over these holders: what a customer has held is what they hold together, and nothing else."""
    # The parts are constants of their rooms, never somebody's input.
    together = " UNION ALL ".join(
        f"SELECT '{holder.name}' AS name, user_id, currency, amount FROM ({holder.sql}) AS h"  # noqa: S608  constants
        for holder in holders
    )
    return Law(
        key="I7",
        title="What a customer has held is what something open holds",
        subject="balances",
        sql=f"""
        SELECT CASE WHEN coalesce(b.held, 0) <> coalesce(h.amount, 0)
            THEN format('user %s %s: %s is held, %s', user_id, currency, trim_scale(coalesce(b.held, 0)),
                coalesce(h.told, 'nothing holds it')) END AS broken
        FROM balances b FULL JOIN (
            SELECT user_id, currency, sum(amount) AS amount,
                string_agg(format('%s hold %s', name, trim_scale(amount)), ', ' ORDER BY name) AS told
            FROM (SELECT name, user_id, currency, sum(amount) AS amount FROM ({together}) AS each
                GROUP BY name, user_id, currency) AS by_holder
            GROUP BY user_id, currency
        ) h USING (user_id, currency)
        """,  # noqa: S608  constants
    )
