"""Conversions' laws, asked by `ledger.verification.prove`."""

from bitcurrent.ledger.verification import Law

CONVERSIONS_ARE_JOURNALS = Law(
    key="F1",
    title="One journal for one conversion, with the quote's own amounts",
    subject="conversions",
    sql="""
    SELECT CASE WHEN c.id IS NULL THEN format('journal %s (%s) has no conversion', j.id, j.reference)
        WHEN j.id IS NULL THEN format('conversion %s of user %s has no journal', c.id, c.user_id)
        WHEN c.owner <> c.user_id THEN format('conversion %s used the quote of somebody else', c.id)
        WHEN (c.user_id, c.from_currency, c.to_currency, c.give, c.get, c.spread)
            IS DISTINCT FROM (j.user_id, j.from_currency, j.to_currency, j.give, j.get, j.spread)
        THEN format('conversion %s: gave %s %s and booked %s %s, got %s %s and booked %s %s, spread %s and booked %s',
            c.id, trim_scale(c.give), c.from_currency, trim_scale(j.give), j.from_currency, trim_scale(c.get),
            c.to_currency, trim_scale(j.get), j.to_currency, trim_scale(c.spread), trim_scale(j.spread)) END AS broken
    FROM (
        SELECT c.id, c.user_id, q.user_id AS owner, q.from_currency, q.to_currency, q.give, q.get, q.spread
        FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id
    ) c FULL JOIN (
        SELECT j.id, j.reference, replace(j.reference, 'convert:', '')::uuid AS conversion_id,
            min(e.user_id::text)::uuid AS user_id,
            min(e.currency) FILTER (WHERE e.account = 'available' AND e.amount < 0) AS from_currency,
            min(e.currency) FILTER (WHERE e.account = 'available' AND e.amount > 0) AS to_currency,
            -sum(e.amount) FILTER (WHERE e.account = 'available' AND e.amount < 0) AS give,
            sum(e.amount) FILTER (WHERE e.account = 'available' AND e.amount > 0) AS get,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'fees'), 0) AS spread
        FROM journals j LEFT JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at
        WHERE j.kind = 'convert' GROUP BY j.id, j.reference
    ) j ON j.conversion_id = c.id
    """,
)

CONVERSION_LAWS: tuple[Law, ...] = (CONVERSIONS_ARE_JOURNALS,)
