"""Withdrawals' laws, and what they hold; asked by `ledger.verification.prove`."""

from bitcurrent.ledger.holders import Holder
from bitcurrent.ledger.verification import Law

WITHDRAWAL_HOLDERS: tuple[Holder, ...] = (
    Holder(
        name="withdrawals",
        sql="SELECT user_id, asset AS currency, held AS amount FROM withdrawals WHERE held > 0",
    ),
)

_BOOKED = """
    SELECT split_part(j.reference, ':', 2) AS id,
        sum(e.amount) FILTER (WHERE j.kind = 'withdrawal_hold' AND e.account = 'held') AS held,
        -sum(e.amount) FILTER (WHERE j.kind = 'withdrawal_release' AND e.account = 'held') AS released,
        -sum(e.amount) FILTER (WHERE j.kind = 'withdrawal' AND e.account = 'held') AS spent,
        sum(e.amount) FILTER (WHERE j.kind = 'withdrawal' AND e.account = 'fees') AS fee,
        sum(e.amount) FILTER (WHERE j.kind = 'withdrawal' AND e.account = 'network_fees' AND e.amount > 0) AS network,
        sum(e.amount) FILTER (WHERE j.kind = 'withdrawal' AND e.account = 'available') AS back,
        sum(e.amount) FILTER (WHERE j.kind = 'withdrawal_return' AND e.account = 'available') AS returned
    FROM journals j JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at
    WHERE j.kind IN ('withdrawal_hold', 'withdrawal_release', 'withdrawal', 'withdrawal_return')
    GROUP BY 1
"""

WITHDRAWALS_ARE_JOURNALS = Law(
    key="W3",
    title="A withdrawal is held once, and then paid once or given back once",
    subject="withdrawals",
    sql=f"""
    SELECT CASE WHEN w.id IS NULL THEN format('journals of withdrawal %s, which there is not', b.id)
        WHEN b.held IS DISTINCT FROM w.amount + w.fee + w.network_fee
        THEN format('withdrawal %s should hold %s and held %s', w.id, trim_scale(w.amount + w.fee + w.network_fee),
            trim_scale(b.held))
        WHEN (b.spent IS NOT NULL) <> (w.state IN ('settled', 'returned'))
            OR (b.released IS NOT NULL) <> (w.state IN ('failed', 'refused', 'canceled', 'expired'))
            OR (b.returned IS NOT NULL) <> (w.state = 'returned')
        THEN format('withdrawal %s is %s; paid %s, given back %s, came back %s', w.id, w.state, trim_scale(b.spent),
            trim_scale(b.released), trim_scale(b.returned))
        WHEN b.spent <> b.held OR b.released <> b.held OR b.returned <> w.paid OR b.fee <> w.fee
            OR coalesce(b.network, w.network_fee) <> w.network_fee OR w.paid + coalesce(b.back, 0) <> w.amount
        THEN format('withdrawal %s of %s paid %s: its journals say otherwise', w.id, trim_scale(w.amount),
            trim_scale(w.paid)) END AS broken
    FROM withdrawals w FULL JOIN ({_BOOKED}) b ON b.id = w.id::text
    """,  # noqa: S608  a constant of this module
)

BANK_LINES_ARE_WITHDRAWALS = Law(
    key="W4",
    title="The bank's statements say of each withdrawal what the books say",
    subject="withdrawals in batches",
    sql="""
    SELECT CASE WHEN coalesce(l.amount, 0) <> CASE w.state WHEN 'settled' THEN -w.paid ELSE 0 END
        THEN format('withdrawal %s is %s; the bank''s statements say %s', w.id, w.state, trim_scale(l.amount))
        END AS broken
    FROM withdrawals w LEFT JOIN (
        SELECT withdrawal_id, sum(amount) AS amount FROM bank_lines WHERE withdrawal_id IS NOT NULL
        GROUP BY withdrawal_id
    ) l ON l.withdrawal_id = w.id
    WHERE w.batch_id IS NOT NULL
    """,
)

WITHDRAWAL_LAWS: tuple[Law, ...] = (WITHDRAWALS_ARE_JOURNALS, BANK_LINES_ARE_WITHDRAWALS)
