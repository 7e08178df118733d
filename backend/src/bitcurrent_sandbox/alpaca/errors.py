"""The venue's refusals: HTTP status, its own code, its words."""

from decimal import Decimal
from typing import Any

from bitcurrent_sandbox.money import text


class VenueError(Exception):
    """An answer that refuses; `extra` are further members of the JSON body."""

    def __init__(self, status: int, code: int, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The JSON body; the SDKs insist on `code`."""
        return {"code": self.code, "message": self.message, **self.extra}


def invalid(message: str) -> VenueError:
    """A parameter makes no sense."""
    return VenueError(422, 42210000, message)


def malformed(message: str) -> VenueError:
    """The request could not be read."""
    return VenueError(400, 40010000, message)


def bad_parameter(message: str) -> VenueError:
    """A parameter collides with the venue's records, such as a client_order_id used before."""
    return VenueError(422, 40010001, message)


def duplicate_client_order_id() -> VenueError:
    """client_order_id is unique for ever."""
    return bad_parameter("client_order_id must be unique")


def unauthorized() -> VenueError:
    """The key pair is unknown."""
    return VenueError(401, 40110000, "request is not authorized")


def rate_limited() -> VenueError:
    """The key's budget for this minute is spent."""
    return VenueError(429, 42910000, "rate limit exceeded")


def order_not_found() -> VenueError:
    """No such order."""
    return VenueError(404, 40410000, "order is not found.")


def position_not_found() -> VenueError:
    """Nothing of this asset is held."""
    return VenueError(404, 40410000, "position does not exist")


def asset_not_found(name: str) -> VenueError:
    """A look-up of an asset that the venue does not list."""
    return VenueError(404, 40410000, f"asset not found for {name}")


def not_found(what: str) -> VenueError:
    """Anything else that is not there."""
    return VenueError(404, 40410000, f"{what} not found")


def not_cancelable(status: str) -> VenueError:
    """The order is done, or being replaced."""
    return invalid(f'order is already in "{status}" state')


def insufficient_balance(asset: str, *, requested: Decimal, available: Decimal) -> VenueError:
    """Not enough of what would be given away."""
    return VenueError(
        403,
        40310000,
        f"insufficient balance for {asset} (requested: {text(requested)}, available: {text(available)})",
        symbol=asset,
        balance=text(available),
    )


def cost_too_small(least: Decimal) -> VenueError:
    """A buy below the venue's least value."""
    return VenueError(403, 40310000, f"cost basis must be >= minimal amount of order {text(least)}")


def cost_too_large(most: Decimal) -> VenueError:
    """An order above the venue's greatest value.

    Assumed: the limit is documented, the words and the code of its refusal are not.
    """
    return VenueError(403, 40310000, f"cost basis must be <= maximal amount of order {text(most)}")


def forbidden(message: str) -> VenueError:
    """The account's own settings forbid it."""
    return VenueError(403, 40310000, message)
