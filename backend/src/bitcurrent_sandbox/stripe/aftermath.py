"""What comes after a payment: refunds, disputes, warnings of fraud, payouts."""

from collections.abc import Mapping
from typing import Final

from bitcurrent_sandbox.stripe import objects
from bitcurrent_sandbox.stripe.cards import CARDS, TestCard
from bitcurrent_sandbox.stripe.errors import StripeError, invalid, no_such
from bitcurrent_sandbox.stripe.journal import Journal
from bitcurrent_sandbox.stripe.store import Object

OPEN: Final = frozenset({"needs_response", "under_review", "warning_needs_response", "warning_under_review"})
REASONS: Final = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated", "debit_not_authorized",
    "duplicate", "fraudulent", "general", "incorrect_account_details", "insufficient_funds", "product_not_received",
    "product_unacceptable", "subscription_canceled", "unrecognized",
)  # fmt: skip


class Aftermath:
    """Money that goes back, is taken back, or goes to the bank."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._store = journal.store

    def found(self, key: str, kind: str) -> Object:
        """The object of this kind with this id; raises StripeError."""
        doc = self._store.find(key, kind)
        if doc is None:
            raise no_such(kind, key)
        return doc

    def charge_of(self, payment_intent: str) -> Object:
        """The charge that paid; raises StripeError when nothing has."""
        self.found(payment_intent, "payment_intent")
        for charge in self._store.of_payment("charge", payment_intent):
            if charge["status"] == "succeeded":
                return charge
        raise invalid(
            "payment_intent", f"This PaymentIntent ({payment_intent}) does not have a successful charge to refund."
        )

    # Refunds

    def refund(self, charge: Object, *, amount: int | None, metadata: Mapping[str, str], reason: str | None) -> Object:
        """Give a charge back, wholly or in part; raises StripeError."""
        left = charge["amount"] - charge["amount_refunded"]
        if charge["disputed"] and not self._refundable(charge):
            raise StripeError(
                400, f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
            )
        if left == 0:
            raise StripeError(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        wanted = left if amount is None else amount
        if wanted > left:
            words = f"Refund amount ({_dollars(wanted)}) is greater than unrefunded amount on charge ({_dollars(left)})"
            raise invalid("amount", words)
        refund = objects.refund(charge, amount=wanted, metadata=metadata, reason=reason, at=objects.now())
        fate = _card_of(charge).refunds
        if fate == "succeeds_later":
            refund["status"] = "pending"
        line = self._journal.book(
            # A debit is a payment, and its refund a payment's.
            "refund" if "card" in charge["payment_method_details"] else "payment_refund",
            amount=-wanted,
            fee=0,
            currency=charge["currency"],
            source=refund["id"],
            category="refund",
            words="REFUND FOR CHARGE",
        )
        refund["balance_transaction"] = line["id"]
        self._store.add(refund)
        self._give_back(charge, wanted)
        self._journal.tell("refund.created", refund)
        self._journal.tell("charge.refunded", charge)
        if fate:
            verb = "refund_succeeds" if fate == "succeeds_later" else "refund_fails"
            self._store.later(objects.now() + self._journal.settings.refund_seconds, verb, refund["id"])
        return refund

    def refund_succeeds(self, refund: Object) -> None:
        """A refund that was pending has come."""
        if refund["status"] == "pending":
            self._store.save(refund | {"status": "succeeded"})
            refund["status"] = "succeeded"
            self._tell_update(refund, previous="pending")

    def refund_fails(self, refund: Object, reason: str = "expired_or_canceled_card") -> Object:
        """The card's bank sends the money back; raises StripeError for one that has failed already."""
        if refund["status"] not in ("pending", "succeeded"):
            raise invalid("refund", f"This refund is {refund['status']}.")
        line = self._journal.book(
            "refund_failure",
            amount=refund["amount"],
            fee=0,
            currency=refund["currency"],
            source=refund["id"],
            category="refund_failure",
            words="REFUND FAILURE",
        )
        previous = refund["status"]
        refund |= {"status": "failed", "failure_reason": reason, "failure_balance_transaction": line["id"]}
        self._store.save(refund)
        self._give_back(self.found(refund["charge"], "charge"), -refund["amount"])
        self._tell_update(refund, previous=previous)
        self._journal.tell("refund.failed", refund)
        return refund

    def cancel_refund(self, refund: Object) -> Object:
        """Only one that waits for its receiver can be canceled, and cards' never do."""
        raise StripeError(
            400,
            f"Refund {refund['id']} cannot be canceled: only refunds with a status of `requires_action` can, this one "
            f"is `{refund['status']}`.",
            code="refund_disputed_payment" if refund["status"] == "failed" else None,
        )

    # Disputes

    def dispute(self, charge: Object, reason: str = "fraudulent", *, inquiry: bool = False) -> Object:
        """The card's owner disputes a charge; an inquiry takes no money yet."""
        if charge["disputed"]:
            raise invalid("charge", f"Charge {charge['id']} has been disputed already.")
        if charge["amount"] == charge["amount_refunded"]:
            raise invalid("charge", f"Charge {charge['id']} has been refunded wholly.")
        dispute = objects.dispute(charge, reason=reason, inquiry=inquiry, at=objects.now())
        charge["disputed"] = True
        self._store.save(charge)
        self._store.add(dispute)
        self._journal.tell("charge.dispute.created", dispute)
        if not inquiry:
            self._withdraw(dispute, charge)
        return dispute

    def escalate(self, dispute: Object) -> Object:
        """An inquiry becomes a chargeback: now the money is taken."""
        if not dispute["status"].startswith("warning_"):
            raise invalid("dispute", "Only an inquiry can become a chargeback.")
        dispute |= {"status": "needs_response", "is_charge_refundable": False}
        dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
        self._withdraw(dispute, self.found(dispute["charge"], "charge"))
        self._journal.tell("charge.dispute.updated", dispute)
        return dispute

    def answer(self, dispute: Object, evidence: Mapping[str, str], *, submit: bool) -> Object:
        """Evidence; the words that Stripe documents for tests decide at once, others wait for the operator."""
        self._must_be_open(dispute)
        dispute["evidence"] |= evidence
        details = dispute["evidence_details"]
        details["has_evidence"] = any(dispute["evidence"][name] for name in objects.EVIDENCE)
        if submit:
            details["submission_count"] += 1
            warning = dispute["status"].startswith("warning_")
            dispute["status"] = "warning_under_review" if warning else "under_review"
        self._store.save(dispute)
        self._journal.tell("charge.dispute.updated", dispute)
        fate = dispute["evidence"].get("uncategorized_text")
        if submit and fate in ("winning_evidence", "losing_evidence"):
            return self.close(dispute, won=fate == "winning_evidence")
        return dispute

    def close(self, dispute: Object, *, won: bool) -> Object:
        """The bank has decided; an inquiry just ends. The fee stays with Stripe."""
        self._must_be_open(dispute)
        if dispute["status"].startswith("warning_"):
            dispute["status"] = "warning_closed"
        else:
            dispute["status"] = "won" if won else "lost"
        reinstated = won and dispute["balance_transactions"]
        if reinstated:
            line = self._journal.book(
                "adjustment",
                amount=dispute["amount"],
                fee=0,
                currency=dispute["currency"],
                source=dispute["id"],
                category="dispute_reversal",
                words=f"Chargeback reversal for {dispute['charge']}",
            )
            dispute["balance_transactions"].append(objects.shown(line))
        self._store.save(dispute)
        self._journal.tell("charge.dispute.closed", dispute)
        if reinstated:
            self._journal.tell("charge.dispute.funds_reinstated", dispute)
        return dispute

    def warn(self, charge: Object) -> None:
        """An early warning of fraud: no money moves."""
        warning = self._store.add(objects.early_fraud_warning(charge))
        self._journal.tell("radar.early_fraud_warning.created", warning)

    # Payouts

    def pay_out(
        self, currency: str, amount: int | None, *, metadata: Mapping[str, str] | None = None, words: str | None = None
    ) -> Object:
        """Send money to the account's own bank: an amount, or (automatically) all that is available."""
        available = self._store.balance(objects.now()).get(currency, (0, 0))[0]
        automatic = amount is None
        if available <= 0 or (amount is not None and amount > available):
            raise StripeError(
                400,
                "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low.",
                code="balance_insufficient",
            )
        payout = objects.payout(amount=0, currency=currency, automatic=automatic, metadata=metadata or {}, words=words)
        bound = self._store.pay_out_lines(payout["id"], currency, objects.now()) if amount is None else amount
        payout["amount"] = bound
        line = self._journal.book(
            "payout",
            amount=-bound,
            fee=0,
            currency=currency,
            source=payout["id"],
            category="payout",
            words=payout["description"] or "",
        )
        self._store.bind_line(line["id"], payout["id"])
        payout |= {"balance_transaction": line["id"], "status": "in_transit"}
        self._store.add(payout)
        self._journal.tell("payout.created", payout)
        self._store.later(objects.now() + self._journal.settings.payout_seconds, "payout_arrives", payout["id"])
        return payout

    def payout_arrives(self, payout: Object) -> None:
        """The bank has it."""
        if payout["status"] != "in_transit":
            return
        payout |= {"status": "paid", "arrival_date": objects.now()}
        if payout["automatic"]:
            payout["reconciliation_status"] = "completed"
        self._store.save(payout)
        self._journal.tell("payout.paid", payout)

    def payout_fails(self, payout: Object) -> Object:
        """The bank sends it back, even after it had come."""
        if payout["status"] not in ("in_transit", "paid"):
            raise invalid("payout", f"This payout is {payout['status']}.")
        line = self._journal.book(
            "payout_failure",
            amount=payout["amount"],
            fee=0,
            currency=payout["currency"],
            source=payout["id"],
            category="payout_reversal",
            words="PAYOUT FAILURE",
        )
        payout |= {
            "status": "failed",
            "failure_code": "account_closed",
            "failure_message": "The bank account has been closed.",
            "failure_balance_transaction": line["id"],
        }
        self._store.save(payout)
        self._journal.tell("payout.failed", payout)
        return payout

    # Help

    def _withdraw(self, dispute: Object, charge: Object) -> None:
        line = self._journal.book(
            "adjustment",
            amount=-dispute["amount"],
            fee=objects.DISPUTE_FEE,
            currency=dispute["currency"],
            source=dispute["id"],
            category="dispute",
            words=f"Chargeback withdrawal for {charge['id']}",
        )
        dispute["balance_transactions"].append(objects.shown(line))
        self._store.save(dispute)
        self._journal.tell("charge.dispute.funds_withdrawn", dispute)

    def _give_back(self, charge: Object, amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self._store.save(charge)

    def _tell_update(self, refund: Object, *, previous: str) -> None:
        self._journal.tell("refund.updated", refund, status=previous)
        self._journal.tell("charge.refund.updated", refund, status=previous)

    def _refundable(self, charge: Object) -> bool:
        disputes = self._store.of_payment("dispute", charge["payment_intent"])
        return all(each["is_charge_refundable"] or each["status"] == "won" for each in disputes)

    @staticmethod
    def _must_be_open(dispute: Object) -> None:
        if dispute["status"] not in OPEN:
            raise invalid("dispute", f"This dispute is already closed ({dispute['status']}).")


def _card_of(charge: Object) -> TestCard:
    """The test card by its fingerprint; numbers are not kept."""
    shown = (charge["payment_method_details"].get("card") or {}).get("fingerprint")
    return next((card for card in CARDS if card.fingerprint == shown), CARDS[0])


def _dollars(minor: int) -> str:
    return f"${minor // 100}.{minor % 100:02}"
