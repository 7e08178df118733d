"""The wallets' laws: what left is what was asked for, once, and nobody got money back for coins that may leave."""

from bitcurrent.ledger.verification import Law

TRANSFERS_ARE_WITHDRAWALS = Law(
    key="W1",
    title="One transfer for one withdrawal of coins, of its amount, and none that may still leave behind its end",
    subject="transfers",
    sql="""
    SELECT CASE
        WHEN w.rail <> 'wallet' THEN format('withdrawal %s by %s has a transfer', w.id, w.rail)
        WHEN t.withdrawal_id IS NULL AND w.state IN ('sent', 'settled')
        THEN format('withdrawal %s is %s without a transfer', w.id, w.state)
        WHEN (t.asset, t.amount) IS DISTINCT FROM (w.asset, w.amount) AND t.withdrawal_id IS NOT NULL
        THEN format('withdrawal %s of %s %s has a transfer of %s %s', w.id, trim_scale(w.amount), w.asset,
            trim_scale(t.amount), t.asset)
        WHEN w.state = 'settled' AND t.state <> 'complete'
        THEN format('withdrawal %s is settled and its transfer %s', w.id, t.state)
        WHEN w.state IN ('failed', 'refused', 'canceled', 'expired') AND t.state IN ('asked', 'processing', 'complete')
        THEN format('withdrawal %s gave its money back and its transfer is %s', w.id, t.state)
        WHEN w.state = 'settled' AND w.network_fee_paid IS DISTINCT FROM t.network_fee
        THEN format('withdrawal %s booked a network fee of %s, the venue took %s', w.id,
            trim_scale(w.network_fee_paid), trim_scale(t.network_fee)) END AS broken
    FROM withdrawals w LEFT JOIN wallet_transfers t ON t.withdrawal_id = w.id
    WHERE w.rail = 'wallet' OR t.withdrawal_id IS NOT NULL
    """,
)

TRANSFERS_HAVE_EVIDENCE = Law(
    key="W2",
    title="Every transfer kept what was known of its receiver",
    subject="transfers",
    sql="""
    SELECT CASE WHEN r.withdrawal_id IS NULL THEN format('transfer of withdrawal %s has no evidence', t.withdrawal_id)
        WHEN r.worth <> w.worth THEN format('evidence of withdrawal %s is about %s, it was worth %s', w.id,
            trim_scale(r.worth), trim_scale(w.worth)) END AS broken
    FROM wallet_transfers t JOIN withdrawals w ON w.id = t.withdrawal_id
    LEFT JOIN travel_rule_records r ON r.withdrawal_id = t.withdrawal_id
    """,
)

WALLET_LAWS = (TRANSFERS_ARE_WITHDRAWALS, TRANSFERS_HAVE_EVIDENCE)
