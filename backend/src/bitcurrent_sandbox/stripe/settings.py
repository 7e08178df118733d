"""How the processor behaves; the operator may change it while it runs."""

import msgspec


class ProcessorSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The usual values are those of a quick demonstration, not Stripe's: there these things take days."""

    available_seconds: int = 172_800
    """From a charge to its money being available (Stripe: two business days)."""
    delayed_seconds: int = 15
    """From a bank debit to its success or failure."""
    dispute_seconds: int = 20
    """From a payment with a card that disputes to its dispute."""
    refund_seconds: int = 10
    """From a refund to a card whose refunds come or fail later to that."""
    payout_seconds: int = 10
    """From a payout to its arrival at the bank."""
    webhooks_held: bool = False
    """Nothing is delivered; it waits."""
    webhook_timeout_seconds: int = 10
    retry_first_ms: int = 1_000
    """The pause after the first failed delivery; it doubles with each, up to `retry_most_ms`."""
    retry_most_ms: int = 60_000
    attempts_max: int = 30
    keep_failures: bool = False
    """An answer replaced by an ordered 5xx is kept under its idempotency key, as Stripe keeps real ones."""
    idempotency_seconds: int = 86_400
    """How long a key is remembered."""
