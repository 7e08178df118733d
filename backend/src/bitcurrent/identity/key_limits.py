"""What the owner of an API key has bound it to: networks, markets, an amount a day, signed requests."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bitcurrent.kernel.errors import Forbidden, Invalid, Unauthenticated
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.kernel.networks import Networks

NETWORKS_MAX = 20
SYMBOLS_MAX = 50
_SYMBOL = re.compile(r"([A-Z0-9]{1,20})[/-]([A-Z0-9]{1,20})")


class AddressNotAllowed(Forbidden):
    """The key's owner named networks, and this request came from elsewhere."""

    code = "address_not_allowed"

    def __init__(self, address: str) -> None:
        super().__init__(
            f"This API key may not be used from {address[:45]}; its owner named the networks that it may come from.",
            details={"address": address[:45]},
        )


class SymbolNotAllowed(Forbidden):
    """The key may trade in other markets only."""

    code = "symbol_not_allowed"

    def __init__(self, symbol: str, allowed: Iterable[str]) -> None:
        super().__init__(
            f"This API key may not trade {symbol}. Nothing was done.",
            field="symbol",
            details={"symbol": symbol, "allowed": ",".join(sorted(allowed))},
        )


class KeyDailyCap(Forbidden):
    """The key's orders of this day (UTC) would be worth more than its owner allows."""

    code = "key_daily_cap"

    def __init__(self, *, cap: Decimal, used: Decimal, needed: Decimal) -> None:
        left = max(EXACT.subtract(cap, used), Decimal(0))
        super().__init__(
            f"This API key may place orders worth {plain(cap)} USD a day (UTC); {plain(used)} is used and "
            f"{plain(left)} left, and this order is worth {plain(needed)}. Nothing was placed.",
            details={"cap": plain(cap), "used": plain(used), "left": plain(left), "needed": plain(needed)},
        )


class SignatureRequired(Unauthenticated):
    """The key's owner wants every request signed, and this one sent the secret itself, or nothing."""

    code = "signature_required"
    title = "Signature needed"

    def __init__(self) -> None:
        super().__init__("This API key works with signed requests only: see docs/api-keys.md.")


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may not do. `networks` and `symbols` of None allow all; `daily_notional` is in USD."""

    key_id: str
    networks: Networks | None = None
    symbols: frozenset[str] | None = None
    daily_notional: Decimal | None = None
    require_signature: bool = False

    def check_address(self, address: str | None) -> None:
        """Raise AddressNotAllowed unless a request from this address may use the key; None is nowhere."""
        if self.networks is not None and (address is None or not self.networks.contains(address)):
            raise AddressNotAllowed(address or "an unknown address")

    def check_symbol(self, symbol: str) -> None:
        """Raise SymbolNotAllowed unless the key may trade this market (BTC/USD)."""
        if self.symbols is not None and symbol not in self.symbols:
            raise SymbolNotAllowed(symbol, self.symbols)


def read_networks(texts: Iterable[str], *, field: str = "networks") -> Networks | None:
    """Networks as a key's owner writes them; None when none are named. Raises Invalid."""
    named = list(texts)
    if len(named) > NETWORKS_MAX:
        raise Invalid(f"A key takes at most {NETWORKS_MAX} networks.", field=field)
    try:
        return Networks.of(named) if named else None
    except ValueError:
        raise Invalid("Write each network like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.", field=field) from None


def read_symbols(texts: Iterable[str]) -> frozenset[str] | None:
    """Markets as a key's owner writes them, in the form BTC/USD; None when none are named. Raises Invalid."""
    named = list(texts)
    if len(named) > SYMBOLS_MAX:
        raise Invalid(f"A key takes at most {SYMBOLS_MAX} symbols.", field="symbols")
    found = [_SYMBOL.fullmatch(text.strip().upper()) for text in named]
    if not all(found):
        raise Invalid("Write each symbol like BTC/USD or BTC-USD.", field="symbols")
    return frozenset(f"{match[1]}/{match[2]}" for match in found if match) or None


def read_daily_notional(amount: Decimal | None) -> Decimal | None:
    """A cap as a key's owner writes it. Raises Invalid."""
    if amount is not None and amount <= 0:
        raise Invalid("The cap must be above zero; revoke the key to stop it.", field="daily_notional")
    return amount
