"""Provenance's laws: asked by `ledger.verification.prove`."""

from bitcurrent.ledger.verification import Law

PROVENANCE_LAWS: tuple[Law, ...] = (
    Law(
        key="D2",
        title="No more is refunded of a deposit than the card paid",
        subject="card deposits",
        sql="""
        SELECT CASE WHEN refunded > amount OR refunded < 0 OR disputed < 0
            THEN format('lot %s: paid %s, refunded %s, disputed %s', id, trim_scale(amount), trim_scale(refunded),
                trim_scale(disputed)) END AS broken
        FROM lots
        """,
    ),
)
