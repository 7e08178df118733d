"""The law of deposits: one credit for one payment, of the amounts that were asked for."""

from bitcurrent.ledger.verification import Law

DEPOSITS_ARE_JOURNALS = Law(
    key="I4",
    title="One credit for one payment: each paid deposit has its journal, with its amounts",
    subject="deposits",
    sql="""
    SELECT CASE WHEN d.id IS NULL THEN format('journal %s (%s) has no deposit', j.id, j.reference)
        WHEN j.id IS NULL THEN format('deposit %s is paid by %s and was never credited', d.id, d.payment_intent)
        WHEN (j.user_id, j.currency, j.paid, j.credited, j.fee)
            IS DISTINCT FROM (d.user_id, d.currency, d.amount, d.amount - d.fee, d.fee)
        THEN format('deposit %s: %s %s asked, %s came, %s credited', d.id, trim_scale(d.amount), d.currency,
            trim_scale(j.paid), trim_scale(j.credited)) END AS broken
    FROM (SELECT * FROM deposits WHERE paid_at IS NOT NULL) d FULL JOIN (
        SELECT j.id, j.reference, min(e.currency) AS currency, min(e.user_id::text)::uuid AS user_id,
            coalesce(-sum(e.amount) FILTER (WHERE e.account = 'processor'), 0) AS paid,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'available'), 0) AS credited,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'fees'), 0) AS fee
        FROM journals j LEFT JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at
        WHERE j.kind = 'deposit' GROUP BY j.id, j.reference
    ) j ON j.reference = 'deposit:' || d.payment_intent
    """,
)

RESOLUTIONS_ARE_JOURNALS = Law(
    key="I4",
    title="One credit for each payment that people decided about, of the amount that came",
    subject="resolved payments",
    sql="""
    SELECT CASE WHEN r.id IS NULL THEN format('journal %s (%s) has no resolution', j.id, j.reference)
        WHEN j.id IS NULL THEN format('payment %s is resolved and was never credited', r.payment_intent)
        WHEN (j.user_id, j.currency, j.credited) IS DISTINCT FROM (r.user_id, r.currency, r.amount)
        THEN format('payment %s: %s %s came, %s was credited', r.payment_intent, trim_scale(r.amount), r.currency,
            trim_scale(j.credited)) END AS broken
    FROM (SELECT r.*, d.user_id FROM deposit_resolutions r JOIN deposits d ON d.id = r.deposit_id) r FULL JOIN (
        SELECT j.id, j.reference, min(e.currency) AS currency, min(e.user_id::text)::uuid AS user_id,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'available'), 0) AS credited
        FROM journals j LEFT JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at
        WHERE j.kind = 'deposit_resolved' GROUP BY j.id, j.reference
    ) j ON j.reference = 'deposit:' || r.payment_intent
    """,
)

DEPOSIT_LAWS = (DEPOSITS_ARE_JOURNALS, RESOLUTIONS_ARE_JOURNALS)
