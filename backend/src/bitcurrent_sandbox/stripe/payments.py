"""Paying a session: by card, with 3-D Secure where the card wants it, or by a bank's debit that is known later."""

from typing import Final, Literal

from bitcurrent_sandbox.stripe import objects
from bitcurrent_sandbox.stripe.cards import Entered, TestCard, card_of
from bitcurrent_sandbox.stripe.errors import StripeError, invalid, no_such
from bitcurrent_sandbox.stripe.journal import Journal
from bitcurrent_sandbox.stripe.store import Object

DebitFate = Literal["succeeds", "fails"]
Step = Literal["paid", "authenticate", "declined"]
_ONLY_TESTS: Final = (
    "Your card was declined. Your request was in test mode, but used a non test card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing."
)
_UNKNOWN: Final = TestCard(number="", decline=("card_declined", "test_mode_live_card", _ONLY_TESTS))
_BASE_FEE: Final = 30


def fee_of(amount: int, country: str = "US") -> int:
    """What a card's charge costs: 2.9% and 30 cents, 1.5% more for a foreign card; half a cent rounds up."""
    tenths_of_percent = 29 if country == "US" else 44
    return (amount * tenths_of_percent + 500) // 1000 + _BASE_FEE


def debit_fee_of(amount: int) -> int:
    """What a bank's debit costs: 0.8%, at most five dollars."""
    return min((amount * 8 + 500) // 1000, 500)


class Payments:
    """Sessions and what pays them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._store = journal.store

    def open_session(self, doc: Object) -> Object:
        """A new session, which expires by itself."""
        self._store.later(doc["expires_at"], "expire", doc["id"])
        return self._store.add(doc)

    def session(self, key: str) -> Object:
        """The session with this id; raises StripeError."""
        found = self._store.find(key, "checkout.session")
        if found is None:
            raise no_such("checkout.session", key, "session")
        return found

    def expire(self, session: Object) -> Object:
        """End an open session; raises StripeError when it has ended."""
        if session["status"] != "open":
            raise StripeError(
                400,
                'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status '
                f"of `{session['status']}`.",
            )
        session |= {"status": "expired", "url": None, "_waiting": None}
        self._store.save(session)
        self._journal.tell("checkout.session.expired", session)
        return session

    def pay(self, session: Object, entered: Entered, *, name: str | None, email: str | None) -> tuple[Step, str]:
        """Try a card; what has to happen next, and, when it was declined, the words for it."""
        self._must_be_open(session)
        card = card_of(entered.number)
        intent = self._intent(session)
        if card is not None and card.authentication and not card.blocked:
            waiting = {"number": entered.number, "month": entered.exp_month, "year": entered.exp_year, "name": name,
                       "email": email}  # fmt: skip
            intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk"}}
            self._store.save(intent)
            session["_waiting"] = waiting
            self._store.save(session)
            self._journal.tell("payment_intent.requires_action", intent)
            return "authenticate", ""
        return self._charge(session, intent, card, entered, name=name, email=email, authenticated=False)

    def authenticate(self, session: Object, *, passed: bool) -> tuple[Step, str]:
        """The answer of the card's owner to 3-D Secure."""
        self._must_be_open(session)
        waiting = session.get("_waiting")
        if not waiting:
            raise invalid("session", "This Checkout Session is not waiting for authentication.")
        session["_waiting"] = None
        intent = self._intent(session)
        if not passed:
            words = (
                "We are unable to authenticate your payment method. Please choose a different payment method and try "
                "again."
            )
            error = {"code": "payment_intent_authentication_failure", "message": words, "type": "card_error"}
            self._fail(session, intent, error)
            return "declined", words
        entered = Entered(waiting["number"], waiting["month"], waiting["year"], "")
        card = card_of(entered.number)
        return self._charge(
            session, intent, card, entered, name=waiting["name"], email=waiting["email"], authenticated=True
        )

    def debit(self, session: Object, *, fate: DebitFate, name: str | None, email: str | None) -> Object:
        """Debit a bank account: the session is complete and unpaid until the bank has answered."""
        self._must_be_open(session)
        kind = objects.DEBIT.get(session["currency"])
        if kind is None or kind not in session["payment_method_types"]:
            raise invalid("payment_method", "This Checkout Session takes no bank debits.")
        intent = self._intent(session)
        charge = objects.charge(
            intent, email=email, name=name, details=objects.debit_details(session["currency"]), at=objects.now()
        )
        charge |= {"status": "pending", "paid": False, "_fate": fate}
        self._store.add(charge)
        intent |= {"status": "processing", "latest_charge": charge["id"], "payment_method": charge["payment_method"]}
        self._store.save(intent)
        session |= {"status": "complete", "url": None, "customer_details": _customer(name, email)}
        self._store.save(session)
        self._store.later(objects.now() + self._journal.settings.delayed_seconds, "settle_debit", charge["id"])
        self._journal.tell("charge.pending", charge)
        self._journal.tell("payment_intent.processing", intent)
        self._journal.tell("checkout.session.completed", session)
        return session

    def settle_debit(self, charge: Object) -> None:
        """The bank has answered."""
        if charge["status"] != "pending":
            return
        intent = self._found(charge["payment_intent"])
        (session,) = self._store.of_payment("checkout.session", intent["id"])
        if charge["_fate"] == "succeeds":
            charge |= {"status": "succeeded", "paid": True}
            self._succeed(session, intent, charge, fee=debit_fee_of(charge["amount"]), at_once=False)
            self._journal.tell("checkout.session.async_payment_succeeded", session)
            return
        words = "The customer's bank account could not be debited."
        error = {"code": "payment_method_provider_decline", "message": words, "type": "card_error",
                 "charge": charge["id"]}  # fmt: skip
        charge |= {"status": "failed", "amount_captured": 0, "failure_code": error["code"], "failure_message": words}
        self._store.save(charge)
        self._journal.tell("charge.failed", charge)
        self._fail(session, intent, error)
        self._journal.tell("checkout.session.async_payment_failed", session)

    # Help

    def _charge(
        self,
        session: Object,
        intent: Object,
        card: TestCard | None,
        entered: Entered,
        *,
        name: str | None,
        email: str | None,
        authenticated: bool,
    ) -> tuple[Step, str]:
        known = card or _UNKNOWN
        details = objects.card_details(known, entered, authenticated=authenticated)
        charge = objects.charge(intent, email=email, name=name, details=details, at=objects.now())
        charge["outcome"] = objects.outcome("authorized", risk=known.risk)
        if known.decline is not None:
            code, decline, words = known.decline
            self._decline(charge, known, decline, words, code)
            error = {"code": code, "decline_code": decline, "message": words, "type": "card_error",
                     "charge": charge["id"]}  # fmt: skip
            self._fail(session, intent | {"latest_charge": charge["id"]}, error)
            return "declined", words
        session |= {"status": "complete", "url": None, "customer_details": _customer(name, email), "_waiting": None}
        self._store.add(charge)
        self._succeed(session, intent, charge, fee=fee_of(charge["amount"], known.country), at_once=known.at_once)
        self._journal.tell("checkout.session.completed", session)
        if known.aftermath:
            at = objects.now() + self._journal.settings.dispute_seconds
            self._store.later(at, known.aftermath, charge["id"])
        return "paid", ""

    def _succeed(self, session: Object, intent: Object, charge: Object, *, fee: int, at_once: bool) -> None:
        at = objects.now()
        wait = 0 if at_once else self._journal.settings.available_seconds
        kind = "charge" if "card" in charge["payment_method_details"] else "payment"
        line = self._journal.book(
            kind,
            amount=charge["amount"],
            fee=fee,
            currency=charge["currency"],
            source=charge["id"],
            category="charge",
            words=charge["description"] or "",
            available_on=at + wait,
        )
        charge["balance_transaction"] = line["id"]
        self._store.save(charge)
        intent |= {"status": "succeeded", "amount_received": charge["amount"], "latest_charge": charge["id"],
                   "next_action": None, "last_payment_error": None, "payment_method": charge["payment_method"],
                   "receipt_email": charge["receipt_email"]}  # fmt: skip
        self._store.save(intent)
        session["payment_status"] = "paid"
        self._store.save(session)
        self._journal.tell("charge.succeeded", charge)
        self._journal.tell("payment_intent.succeeded", intent)

    def _decline(self, charge: Object, card: TestCard, decline: str, words: str, code: str) -> None:
        kind = "blocked" if card.blocked else "issuer_declined"
        reason = "highest_risk_level" if card.blocked else decline
        charge |= {
            "status": "failed",
            "paid": False,
            "captured": False,
            "amount_captured": 0,
            "failure_code": code,
            "failure_message": words,
            "outcome": objects.outcome(kind, risk=card.risk, reason=reason),
        }
        self._store.add(charge)
        self._journal.tell("charge.failed", charge)

    def _fail(self, session: Object, intent: Object, error: Object) -> None:
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "next_action": None}
        self._store.save(intent)
        self._store.save(session)
        self._journal.tell("payment_intent.payment_failed", intent)

    def _intent(self, session: Object) -> Object:
        """The session's payment; it begins with the first attempt to pay."""
        if session["payment_intent"] is not None:
            return self._found(session["payment_intent"])
        intent = self._store.add(objects.payment_intent(session, at=objects.now(), data=session["_intent"]))
        session["payment_intent"] = intent["id"]
        self._store.save(session)
        self._journal.tell("payment_intent.created", intent)
        return intent

    def _found(self, key: str) -> Object:
        found = self._store.find(key)
        assert found is not None, key
        return found

    @staticmethod
    def _must_be_open(session: Object) -> None:
        if session["status"] != "open" or session["expires_at"] <= objects.now():
            raise invalid("session", f"This Checkout Session is no longer open ({session['status']}).")


def _customer(name: str | None, email: str | None) -> Object:
    nothing = dict.fromkeys(("address", "business_name", "individual_name", "phone", "tax_ids"))
    return {**nothing, "email": email, "name": name, "tax_exempt": "none"}
