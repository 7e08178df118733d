"""A Checkout Session out of the parameters of its creation, with Stripe's rules for them."""

from typing import Final

from bitcurrent_sandbox.stripe import form, objects
from bitcurrent_sandbox.stripe.errors import StripeError, invalid, missing
from bitcurrent_sandbox.stripe.form import Params
from bitcurrent_sandbox.stripe.store import Object

_KNOWN: Final = (
    "adaptive_pricing", "after_expiration", "allow_promotion_codes", "automatic_tax", "billing_address_collection",
    "branding_settings", "cancel_url", "client_reference_id", "consent_collection", "currency", "custom_fields",
    "custom_text", "customer", "customer_creation", "customer_email", "discounts", "expand", "expires_at",
    "invoice_creation", "line_items", "locale", "metadata", "mode", "name_collection", "origin_context",
    "payment_intent_data", "payment_method_configuration", "payment_method_options", "payment_method_types",
    "phone_number_collection", "saved_payment_method_options", "submit_type", "success_url", "tax_id_collection",
    "ui_mode", "wallet_options",
)  # fmt: skip
CURRENCIES: Final = ("usd", "eur", "gbp")
AMOUNT_MIN: Final = {"usd": 50, "eur": 50, "gbp": 30}
AMOUNT_MAX: Final = 99_999_999
_HALF_HOUR: Final = 1_800
_DAY: Final = 86_400


def session_from(params: Params) -> Object:
    """The session, without its address; raises StripeError."""
    form.only(params, *_KNOWN)
    if form.text(params, "mode") != "payment":
        raise invalid("mode", "The sandbox knows only sessions with the mode `payment`.")
    if form.optional(params, "ui_mode") not in (None, "hosted_page"):
        raise invalid("ui_mode", "The sandbox knows only the hosted page.")
    currency, amount, name = _total(params)
    at = objects.now()
    data = form.below(params, "payment_intent_data")
    form.only(data, "capture_method", "description", "metadata", "receipt_email", "setup_future_usage", "shipping",
              "statement_descriptor", "statement_descriptor_suffix")  # fmt: skip
    return objects.session(
        created=at,
        currency=currency,
        amount_total=amount,
        amount_subtotal=amount,
        adaptive_pricing={"enabled": form.below(params, "adaptive_pricing").get("enabled") != "false"},
        cancel_url=_url(params, "cancel_url"),
        success_url=_url(params, "success_url") or form.text(params, "success_url"),
        client_reference_id=form.optional(params, "client_reference_id", most=200),
        customer_email=_email(params),
        expires_at=_expiry(params, at),
        locale=form.optional(params, "locale"),
        metadata=form.metadata(params),
        payment_method_types=_methods(params, currency),
        submit_type=form.optional(params, "submit_type"),
        _intent={"description": form.optional(data, "description"), "metadata": form.metadata(data)},
        _name=name,
        _waiting=None,
    )


def _total(params: Params) -> tuple[str, int, str]:
    items = params.get("line_items")
    if not isinstance(items, list) or not 0 < len(items) <= 100:
        raise missing("line_items")
    total, currencies, names = 0, set[str](), []
    for index, item in enumerate(items):
        at = f"line_items[{index}]"
        price = form.below(item if isinstance(item, dict) else {}, "price_data")
        if not price:
            raise missing(f"{at}[price_data]")
        name = form.text(form.below(price, "product_data"), "name", most=250)
        quantity = form.integer(item, "quantity", low=1, high=999_999)
        total += form.integer(price, "unit_amount", low=0, high=AMOUNT_MAX) * quantity
        currencies.add(form.text(price, "currency").lower())
        names.append(name)
    if len(currencies) != 1:
        raise invalid("line_items", "All line items must have the same currency.")
    (currency,) = currencies
    if currency not in CURRENCIES:
        raise invalid("currency", f"Invalid currency: {currency[:8]}. The sandbox takes usd, eur, gbp.")
    if total < AMOUNT_MIN[currency]:
        words = f"The Checkout Session's total amount due must add up to at least {AMOUNT_MIN[currency]} {currency}"
        raise StripeError(400, words, code="amount_too_small")
    if total > AMOUNT_MAX:
        raise StripeError(400, "The total amount must be no more than $999,999.99", code="amount_too_large")
    return currency, total, ", ".join(names)


def _methods(params: Params, currency: str) -> list[str]:
    usual = ["card", objects.DEBIT[currency]]
    wanted = params.get("payment_method_types")
    if wanted is None:
        return usual
    if not isinstance(wanted, list) or not wanted or any(each not in usual for each in wanted):
        raise invalid("payment_method_types", f"Invalid payment_method_types: the sandbox knows {', '.join(usual)}.")
    return wanted


def _expiry(params: Params, at: int) -> int:
    expires = form.integer(params, "expires_at", low=0, high=10**11, default=at + _DAY)
    # A few seconds pass between the asking and this.
    if not at + _HALF_HOUR - 60 <= expires <= at + _DAY + 60:
        raise invalid(
            "expires_at",
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
        )
    return expires


def _url(params: Params, name: str) -> str | None:
    url = form.optional(params, name)
    if url is not None and not url.startswith(("http://", "https://")):
        raise invalid(name, f"Not a valid URL: {name}", "url_invalid")
    return url


def _email(params: Params) -> str | None:
    email = form.optional(params, "customer_email", most=512)
    if email is not None and ("@" not in email or " " in email):
        raise invalid("customer_email", f"Invalid email address: {email[:80]}", "email_invalid")
    return email
