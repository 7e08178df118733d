"""The law of bonuses, and what of them holds money; asked by `ledger.verification.prove`."""

from bitcurrent.ledger.holders import Holder
from bitcurrent.ledger.verification import Law

BONUS_HOLDER = Holder(name="bonuses", sql="SELECT user_id, currency, amount FROM bonuses WHERE state = 'earned'")

BONUSES_ARE_GIVEN = Law(
    key="B1",
    title="What the house gave as bonuses is what customers earned and did not forfeit",
    subject="currencies",
    sql="""
    SELECT CASE WHEN coalesce(e.given, 0) <> coalesce(b.given, 0)
        THEN format('%s: %s was given, bonuses say %s', currency, trim_scale(coalesce(e.given, 0)),
            trim_scale(coalesce(b.given, 0))) END AS broken
    FROM (SELECT currency, -sum(amount) AS given FROM entries WHERE account = 'bonuses' GROUP BY currency) e
    FULL JOIN (
        SELECT currency, sum(amount) AS given FROM bonuses WHERE state <> 'forfeited' GROUP BY currency
    ) b USING (currency)
    """,
)

BONUS_LAWS = (BONUSES_ARE_GIVEN,)
