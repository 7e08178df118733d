"""What the kinds of journals mean, in a customer's words."""

_MEANINGS = {
    "hold": "Set aside for an order",
    "fill": "An order was filled",
    "release": "Given back when an order ended",
    "rehold": "Changed with the order that was replaced",
    "demo_credit": "Demo money",
    "convert": "Converted into another currency",
    "venue_fee": "Fee of the venue",
    "adjustment": "Corrected by us",
}


def meaning_of(kind: str) -> str:
    """What a kind of journal did; the kind itself in words where nothing better is known."""
    return _MEANINGS.get(kind, kind.replace("_", " ").capitalize())
