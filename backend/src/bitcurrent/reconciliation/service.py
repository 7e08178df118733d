"""The proof of the books: the laws of every room that moves money, asked of one moment; and the log of who did it."""

import time

from bitcurrent.audit import verification as audit
from bitcurrent.funding.laws import FUNDING_HOLDERS, FUNDING_LAWS
from bitcurrent.kernel.database import Connection
from bitcurrent.ledger.holders import held_is_held_for_something
from bitcurrent.ledger.verification import LEDGER_LAWS, Finding, Law, Report, prove
from bitcurrent.trading.laws import ORDERS_HOLD, TRADING_LAWS

HOLDERS = (ORDERS_HOLD, *FUNDING_HOLDERS)
LAWS = (*LEDGER_LAWS, *TRADING_LAWS, held_is_held_for_something(HOLDERS), *FUNDING_LAWS)
# Not a question in SQL: every hash is computed again.
AUDIT_CHAIN = Law(key="I9", title="The audit log's chain verifies", subject="sealed acts", sql="")


async def verify(connection: Connection) -> Report:
    """Prove every law on one snapshot, changing nothing. The connection must have no transaction open."""
    return await prove(connection, LAWS)


async def verify_audit_log(connection: Connection) -> Finding:
    """Follow the audit log's chain in one snapshot. Its signed heads are for `bitcurrent audit verify`, elsewhere."""
    began = time.monotonic()
    report = await audit.verify(connection, audit.Heads())
    return Finding(
        law=AUDIT_CHAIN,
        checked=report.sealed,
        broken=sum(check.broken for check in report.checks),
        breaks=tuple(check.first for check in report.checks if check.first is not None),
        seconds=time.monotonic() - began,
    )
