"""The processor's objects as they go on the wire: every field that Stripe shows, in the API version that is spoken."""

import secrets
import string
import time
from collections.abc import Mapping
from typing import Any, Final

from bitcurrent_sandbox.stripe.cards import Entered, TestCard
from bitcurrent_sandbox.stripe.store import Object

API_VERSION: Final = "2026-10-28.endive"
DEBIT: Final = {"usd": "us_bank_account", "eur": "sepa_debit", "gbp": "bacs_debit"}
"""How a bank account is debited in a currency: success or failure is known days later."""
DISPUTE_FEE: Final = 1_500
"""Taken when a dispute withdraws money, and kept by Stripe whoever wins."""
_ALPHABET: Final = string.ascii_letters + string.digits
_ADDRESS: Final = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
_EVIDENCE: Final = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
EVIDENCE: Final = frozenset(_EVIDENCE)


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def new_id(prefix: str, length: int = 24) -> str:
    """An id of the shape that Stripe gives."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


def session(**given: Any) -> Object:
    """A Checkout Session, open."""
    nothing = (
        "after_expiration", "allow_promotion_codes", "billing_address_collection", "client_secret",
        "collected_information", "consent", "consent_collection", "currency_conversion", "customer", "customer_account",
        "customer_details", "discounts", "integration_identifier", "invoice", "locale", "managed_payments",
        "origin_context", "payment_intent", "payment_link", "payment_method_configuration_details", "permissions",
        "recovered_from", "saved_payment_method_options", "setup_intent", "shipping_address_collection",
        "shipping_cost", "submit_type", "subscription", "wallet_options",
    )  # fmt: skip
    return {
        **dict.fromkeys(nothing),
        "id": new_id("cs_test", 58),
        "object": "checkout.session",
        "created": now(),
        "livemode": False,
        "mode": "payment",
        "status": "open",
        "payment_status": "unpaid",
        "ui_mode": "hosted_page",
        "payment_method_collection": "if_required",
        "payment_method_options": {},
        "customer_creation": "if_required",
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"),
        ),
        "invoice_creation": {"enabled": False, "invoice_data": {}},
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        **given,
    }


def payment_intent(session: Object, *, at: int, data: Mapping[str, Any]) -> Object:
    """The payment of a session, waiting for a way to pay."""
    key = new_id("pi")
    nothing = (
        "application", "application_fee_amount", "canceled_at", "cancellation_reason", "customer", "customer_account",
        "excluded_payment_method_types", "last_payment_error", "latest_charge", "managed_payments", "next_action",
        "on_behalf_of", "payment_method", "payment_method_configuration_details", "processing", "receipt_email",
        "review", "setup_future_usage", "shipping", "source", "statement_descriptor", "statement_descriptor_suffix",
        "transfer_data", "transfer_group",
    )  # fmt: skip
    return {
        **dict.fromkeys(nothing),
        "id": key,
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": None,
        "capture_method": "automatic_async",
        "client_secret": f"{key}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic",
        "created": at,
        "currency": session["currency"],
        "description": data.get("description"),
        "livemode": False,
        "metadata": data.get("metadata") or {},
        "payment_method_options": {},
        "payment_method_types": session["payment_method_types"],
        "status": "requires_payment_method",
    }


def charge(intent: Object, *, email: str | None, name: str | None, details: Object, at: int) -> Object:
    """A charge of that payment, succeeded; `details` says with what."""
    nothing = (
        "application", "application_fee", "application_fee_amount", "balance_transaction", "customer",
        "failure_balance_transaction", "failure_code", "failure_message", "on_behalf_of", "receipt_email",
        "receipt_number", "receipt_url", "refunds", "review", "shipping", "source", "source_transfer",
        "statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group",
    )  # fmt: skip
    return {
        **dict.fromkeys(nothing),
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "billing_details": {"address": dict(_ADDRESS), "email": email, "name": name, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "SANDBOX",
        "captured": True,
        "created": at,
        "currency": intent["currency"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": outcome("authorized", risk="normal"),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": new_id("pm"),
        "payment_method_details": details,
        "refunded": False,
        "status": "succeeded",
    }


def outcome(kind: str, *, risk: str, reason: str | None = None) -> Object:
    """What became of a charge at the network, and how risky it looked."""
    network = {"authorized": "approved_by_network", "blocked": "not_sent_to_network"}.get(kind, "declined_by_network")
    words = {"authorized": "Payment complete.", "blocked": "Stripe blocked this payment as too risky."}
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network,
        "reason": reason,
        "risk_level": risk,
        "risk_score": {"normal": 32, "elevated": 68, "highest": 88}[risk],
        "seller_message": words.get(kind, "The bank did not approve the payment."),
        "type": kind,
    }


def card_details(card: TestCard, entered: Entered, *, authenticated: bool) -> Object:
    """What is known of a card that was charged."""
    nothing = (
        "amount_authorized", "authorization_code", "installments", "mandate", "network_transaction_id",
        "regulated_status", "transaction_link_id", "wallet",
    )  # fmt: skip
    secure = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": new_id("threeds"),
        "version": "2.2.0",
    }
    details = {
        **dict.fromkeys(nothing),
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "exp_month": entered.exp_month,
        "exp_year": entered.exp_year,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "incremental_authorization": {"status": "unavailable"},
        "last4": card.last4,
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": 0, "status": "unavailable"},
        "three_d_secure": secure if authenticated else None,
    }
    return {"card": details, "type": "card"}


def debit_details(currency: str) -> Object:
    """What is known of a bank account that was debited."""
    kind = DEBIT[currency]
    return {kind: {"bank_name": "SANDBOX BANK", "country": None, "fingerprint": "sandboxaccount01", "last4": "6789"},
            "type": kind}  # fmt: skip


def line(
    kind: str,
    *,
    amount: int,
    fee: int,
    currency: str,
    source: str,
    at: int,
    available_on: int,
    category: str,
    words: str,
) -> Object:
    """A balance transaction."""
    fees = [{"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees",
             "type": "stripe_fee"}] if fee else []  # fmt: skip
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": at,
        "currency": currency,
        "description": words,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees,
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": kind,
    }


def refund(charge: Object, *, amount: int, metadata: Mapping[str, str], reason: str | None, at: int) -> Object:
    """A refund of a charge, succeeded."""
    nothing = ("balance_transaction", "customer", "customer_account", "receipt_number", "source_transfer_reversal",
               "transfer_reversal")  # fmt: skip
    return {
        **dict.fromkeys(nothing),
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": at,
        "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": dict(metadata),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "status": "succeeded",
    }


def dispute(charge: Object, *, reason: str, inquiry: bool, at: int) -> Object:
    """A dispute of a whole charge, to be answered within nine days."""
    card = (charge["payment_method_details"].get("card") or {}).get("brand")
    return {
        "id": new_id("dp"),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": at,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": at + 9 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card,
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
                "network": card,
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def payout(*, amount: int, currency: str, automatic: bool, metadata: Mapping[str, str], words: str | None) -> Object:
    """A payout to the account's own bank, on its way."""
    nothing = ("application_fee", "application_fee_amount", "balance_transaction", "failure_balance_transaction",
               "failure_code", "failure_message", "original_payout", "payout_method", "reversed_by",
               "statement_descriptor")  # fmt: skip
    at = now()
    return {
        **dict.fromkeys(nothing),
        "id": new_id("po"),
        "object": "payout",
        "amount": amount,
        "arrival_date": at,
        "automatic": automatic,
        "created": at,
        "currency": currency,
        "description": words or ("STRIPE PAYOUT" if automatic else None),
        "destination": "ba_sandbox",
        "livemode": False,
        "metadata": dict(metadata),
        "method": "standard",
        "reconciliation_status": "in_progress" if automatic else "not_applicable",
        "source_type": "card",
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def early_fraud_warning(charge: Object) -> Object:
    """The card's bank reports a payment as fraud before it is disputed."""
    return {
        "id": new_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": charge["id"],
        "created": now(),
        "fraud_type": "unauthorized_use_of_card",
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }


def endpoint(*, url: str, events: list[str], secret: str, words: str | None = None) -> Object:
    """Where webhooks go. `_secret` signs them and is shown once, at creation."""
    return {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": now(),
        "description": words,
        "enabled_events": events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    }


def shown(doc: Object) -> Object:
    """The object without what only the sandbox knows."""
    return {name: value for name, value in doc.items() if not name.startswith("_")}
