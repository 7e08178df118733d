"""Every way in which a request can end badly, in Alpaca's shape: {"code": int, "message": str}, and nothing else.

The SDKs fail without `code`. Codes are the HTTP status followed by four digits and a kind, as Alpaca has them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from bitcurrent.identity.key_limits import KeyDailyCap, SymbolNotAllowed
from bitcurrent.kernel import errors
from bitcurrent.ledger.service import InsufficientFunds
from bitcurrent.market_data.model import UnknownMarket
from bitcurrent.trading.model import ClientOrderIdTaken, OrderEnded, OrderNotFound
from bitcurrent.trading.rules import PriceStale, RuleBroken
from bitcurrent.web.problems import NOT_REACHED, BodyTooLarge, problem_of

MALFORMED = 40010000
BAD_PARAMETER = 40010001
NOT_AUTHORIZED = 40110000
FORBIDDEN = 40310000
NOT_FOUND = 40410000
METHOD_NOT_ALLOWED = 40510000
TOO_LARGE = 41310000
NOT_POSSIBLE = 42210000
RATE_LIMITED = 42910000
INTERNAL = 50010000
UNAVAILABLE = 50310000

ORDER_NOT_FOUND = "order is not found."


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is answered. `symbol` and `available` come with a balance that is too small."""

    code: int
    message: str
    symbol: str | None = None
    available: str | None = None


@dataclass(frozen=True, slots=True)
class BotError:
    """An error answer before it is sent."""

    status: int
    body: ErrorBody
    retry_after_seconds: str | None = None


class BotRefusal(Exception):
    """A refusal that only exists in Alpaca's world: its words, its code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.error = BotError(status, ErrorBody(code=code, message=message))


def bad_parameter(message: str) -> BotRefusal:
    """A parameter or field cannot be read."""
    return BotRefusal(422, BAD_PARAMETER, message)


def not_possible(message: str) -> BotRefusal:
    """Readable, and nothing that crypto orders or this account can do."""
    return BotRefusal(422, NOT_POSSIBLE, message)


def not_found(message: str) -> BotRefusal:
    """Nothing there, or nothing of yours."""
    return BotRefusal(404, NOT_FOUND, message)


def error_of(error: BaseException, *, reference: str = "") -> BotError:
    """Any exception as an answer. Pure: it logs nothing. `reference` names the line in our log."""
    if isinstance(error, BotRefusal):
        return error.error
    for kind, answer in _REFUSALS:
        if isinstance(error, kind):
            return answer(error)
    if isinstance(error, msgspec.MsgspecError):
        return _unreadable(error)
    if isinstance(error, NOT_REACHED):
        return _error(
            503,
            UNAVAILABLE,
            "temporarily unavailable: if this was a write it is not known whether it was done; "
            "look for it by its client_order_id, or send it again with the same one",
        )
    return _error(500, INTERNAL, f"internal server error occurred (reference {reference or 'none'})")


def _insufficient(error: InsufficientFunds) -> BotError:
    details = error.details
    text = "insufficient balance for {currency} (requested: {needed}, available: {available})".format_map(details)
    return BotError(
        403,
        ErrorBody(code=FORBIDDEN, message=text, symbol=details["currency"], available=details["available"]),
    )


def _rule_broken(error: RuleBroken) -> BotError:
    """The rules that Alpaca has words for in those words; others in ours, with its names for the fields."""
    known = _RULES.get(error.code)
    if known is not None:
        status, code, text = known
        return _error(status, code, text.format_map(error.details))
    if error.code == "unknown_market":
        return _error(422, NOT_POSSIBLE, "asset not found: `symbol` names no market here")
    message = error.message.replace("quantity", "qty")
    field = (error.field or "").replace("quantity", "qty")
    if field and field not in message:
        message = f"{field}: {message}"
    return _error(422, BAD_PARAMETER if error.code in _UNREADABLE_RULES else NOT_POSSIBLE, message)


_RULES = {
    "cost_minimum": (403, FORBIDDEN, "cost basis must be >= minimal amount of order {minimum}"),
    "cost_maximum": (403, FORBIDDEN, "cost basis must be <= maximal amount of order {maximum}"),
    "quantity_minimum": (403, FORBIDDEN, "minimal qty of order is {minimum}"),
    "size_missing": (422, NOT_POSSIBLE, "qty or notional is required"),
    "size_ambiguous": (422, NOT_POSSIBLE, "only one of qty or notional is accepted"),
}
_UNREADABLE_RULES = frozenset({"not_positive", "notional_places"})


def _unreadable(error: msgspec.MsgspecError) -> BotError:
    """A body that is no JSON object, or a field in it that does not fit."""
    problem = problem_of(error)
    if problem.status == 400:
        return _error(400, MALFORMED, f"request body format is invalid: {problem.detail}")
    return _error(422, BAD_PARAMETER, problem.detail)


def _error(status: int, code: int, message: str, *, retry_after_seconds: str | None = None) -> BotError:
    return BotError(status, ErrorBody(code=code, message=message), retry_after_seconds)


def _simple(status: int, code: int, prefix: str = "") -> Callable[[errors.Refusal], BotError]:
    def answer(error: errors.Refusal) -> BotError:
        retry = "1" if status == 503 else None
        return _error(status, code, prefix + error.message, retry_after_seconds=retry)

    return answer


def _limited(error: errors.TooMany) -> BotError:
    seconds = error.details.get("retry_after_seconds", "1")
    return _error(429, RATE_LIMITED, "rate limit exceeded", retry_after_seconds=seconds)


def _fixed(status: int, code: int, message: str) -> Callable[[errors.Refusal], BotError]:
    return lambda _: _error(status, code, message)


# The first that fits answers: the particular stands before the general.
_REFUSALS: tuple[tuple[type[errors.Refusal], Callable[..., BotError]], ...] = (
    (InsufficientFunds, _insufficient),
    (RuleBroken, _rule_broken),
    (PriceStale, _simple(503, UNAVAILABLE)),
    (ClientOrderIdTaken, _fixed(422, BAD_PARAMETER, "client_order_id must be unique")),
    (OrderNotFound, _fixed(404, NOT_FOUND, ORDER_NOT_FOUND)),
    (OrderEnded, _simple(422, NOT_POSSIBLE)),
    (UnknownMarket, _fixed(404, NOT_FOUND, "asset not found")),
    (BodyTooLarge, _simple(413, TOO_LARGE)),
    (KeyDailyCap, _simple(403, FORBIDDEN)),
    (SymbolNotAllowed, _simple(403, FORBIDDEN)),
    (errors.Unauthenticated, _simple(401, NOT_AUTHORIZED, "request is not authorized: ")),
    (errors.Forbidden, _simple(403, NOT_AUTHORIZED, "request is not authorized: ")),
    (errors.NotFound, _simple(404, NOT_FOUND)),
    (errors.TooMany, _limited),
    (errors.Unavailable, _simple(503, UNAVAILABLE)),
    (errors.Conflict, _simple(422, NOT_POSSIBLE)),
    (errors.Refusal, _simple(422, BAD_PARAMETER)),
)
