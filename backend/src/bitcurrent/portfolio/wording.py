"""What the kinds of journals mean, in a customer's words."""

_MEANINGS = {
    "hold": "Set aside for an order",
    "fill": "An order was filled",
    "release": "Given back when an order ended",
    "rehold": "Changed with the order that was replaced",
    "demo_credit": "Demo money",
    "convert": "Converted into another currency",
    "venue_fee": "Fee of the venue",
    "refund_hold": "Set aside for a refund",
    "refund": "Refunded to the card",
    "refund_release": "Given back: the card did not take the refund",
    "refund_failed": "Given back: the card's bank returned the refund",
    "refund_elsewhere": "Refunded to the card by the card processor",
    "dispute_lock": "Set aside for a disputed card payment",
    "dispute_unlock": "Free again after a dispute",
    "dispute_lost": "Taken for a disputed card payment",
    "debt_payment": "Paid of what was owed",
    "debt_returned": "Given back after a dispute",
    "adjustment": "Corrected by us",
}


def meaning_of(kind: str) -> str:
    """What a kind of journal did; the kind itself in words where nothing better is known."""
    return _MEANINGS.get(kind, kind.replace("_", " ").capitalize())
