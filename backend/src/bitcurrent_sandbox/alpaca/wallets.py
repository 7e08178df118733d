"""Wallets: coins leave the account to addresses that were whitelisted before, under /v2/wallets.

The shapes are Alpaca's published ones. Assumed where nothing is published: the words of refusals; that a transfer takes
amount and network fee out of the position at once and gives both back when it fails; that an approval is for an address
on a chain, whatever coin of that chain is sent; that one OCT activity tells of a completed transfer.
"""

import hashlib
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from bitcurrent_sandbox import clock, money
from bitcurrent_sandbox.alpaca import assets, errors
from bitcurrent_sandbox.alpaca.engine import Engine
from bitcurrent_sandbox.alpaca.matching import activity_id
from bitcurrent_sandbox.alpaca.model import Transfer, TransferPosting, Whitelisted
from bitcurrent_sandbox.alpaca.settings import VenueSettings
from bitcurrent_sandbox.alpaca.store import Store
from bitcurrent_sandbox.http import Reply, Request, Router, json_reply
from bitcurrent_sandbox.money import ZERO, text

CHAINS: Final = ("SOL", "ETH", "BTC", "XRP", "ARB")
"""What may be named as `chain`; other coins have one chain, named after them."""
_DECIMALS_MAX: Final = 9
_ADDRESS_MAX: Final = 200
_LISTED_MAX: Final = 100_000
_OWN_CHAIN: Final = frozenset({"BTC", "SOL", "XRP", "LTC", "DOGE", "BCH", "AVAX", "DOT", "XTZ", "ADA", "POL"})
_ON_SOLANA_TOO: Final = frozenset({"USDC", "USDT"})
_ON_ARBITRUM_TOO: Final = frozenset({"ETH", "USDC", "USDT"})
_FEE_USD: Final = {"BTC": Decimal(3), "ETH": Decimal("1.5"), "SOL": Decimal("0.01")}
_FEE_USD_OTHERS: Final = Decimal("0.05")
_OWN_ADDRESSES: Final = {
    "BTC": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "ETH": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "ARB": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "AVAX": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "SOL": "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV",
    "XRP": "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
    "LTC": "ltc1qg42tkwuuxefutzxezdkdel39gfstuap288mfea",
    "DOGE": "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",
    "BCH": "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    "DOT": "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",
    "XTZ": "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb",
    "ADA": "addr1vx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzers66hrl8",
}
"""The account's deposit addresses: well-known examples of each form."""


class Wallets:
    """Handlers under /v2/wallets, and what happens to transfers by themselves; each answers or raises VenueError."""

    fails_next: Callable[[], bool] = staticmethod(lambda: False)
    """Asked once for each new transfer: is it to fail afterwards?"""

    def __init__(self, *, engine: Engine, store: Store, settings: VenueSettings) -> None:
        self._engine = engine
        self._store = store
        self._settings = settings

    def route(self, router: Router) -> None:
        """Add every route."""
        for method, pattern, handler in (
            ("GET", "/v2/wallets", self._wallets),
            ("GET", "/v2/wallets/fees/estimate", self._estimate),
            ("GET", "/v2/wallets/transfers", self._transfers),
            ("POST", "/v2/wallets/transfers", self._send),
            ("GET", "/v2/wallets/transfers/(?P<key>[^/]+)", self._transfer),
            ("GET", "/v2/wallets/whitelists", self._whitelists),
            ("POST", "/v2/wallets/whitelists", self._whitelist),
            ("DELETE", "/v2/wallets/whitelists/(?P<key>[^/]+)", self._unlist),
        ):
            router.add(method, pattern, handler)

    # What happens by itself, and by the operator's hand

    def tick(self) -> None:
        """Complete the transfers whose time has come."""
        if self._settings.hold_transfers:
            return
        ripe = clock.now() - self._settings.transfer_ms * 1000
        for transfer in self._store.transfers(status="PROCESSING"):
            if transfer.created_at <= ripe:
                self.finish(transfer.id, "FAILED" if transfer.fails else "COMPLETE")

    def finish(self, key: str, status: str) -> Transfer:
        """Complete or fail a transfer; a failed one gives everything back."""
        if status not in ("COMPLETE", "FAILED"):
            raise errors.invalid("status is COMPLETE or FAILED")
        transfer = self._find(key)
        if transfer.status != "PROCESSING":
            raise errors.invalid(f"transfer is already {transfer.status}")
        now = clock.now()
        with self._store.transaction():
            transfer.status = status
            if status == "COMPLETE":
                transfer.tx_hash = _hash(transfer)
                self._store.add_transfer_activity(
                    TransferPosting(
                        activity_id=activity_id(now),
                        symbol=f"{transfer.asset}/USD",
                        qty=-(transfer.amount + transfer.fee),
                        transfer_id=transfer.id,
                        at=now,
                    )
                )
            else:
                self._engine.account.withdraw(f"{transfer.asset}/USD", -(transfer.amount + transfer.fee))
            self._store.save_transfer(transfer)
        return transfer

    def approve(self, address: str | None) -> int:
        """Approve one whitelisted address, or all; how many."""
        waiting = [one for one in self._store.whitelists() if not one.approved and address in (None, one.address)]
        for one in waiting:
            one.approved = True
            self._store.save_whitelisted(one)
        return len(waiting)

    def wire_all(self) -> list[dict[str, Any]]:
        """Every transfer, newest first."""
        return [_transfer_wire(one) for one in self._store.transfers(limit=_LISTED_MAX)]

    # Routes

    def _wallets(self, request: Request, _path: dict[str, str]) -> Reply:
        """One wallet for each chain that is asked for; without an asset those that were made."""
        asset = request.query.get("asset", "")
        if not asset:
            return json_reply([self._wallet(chain) for chain in _OWN_ADDRESSES if self._made_at(chain)])
        chain = self._chain(_coin(asset).code, request.query.get("chain") or _former(request.query.get("network")), "")
        if chain not in _OWN_ADDRESSES:
            raise errors.invalid(f"wallets of {asset[:20]} are not supported")
        if not self._made_at(chain):
            self._store.remember(f"wallet {chain}", clock.iso(clock.now()))
        return json_reply(self._wallet(chain))

    def _wallet(self, chain: str) -> dict[str, Any]:
        return {"chain": chain, "address": _OWN_ADDRESSES[chain], "created_at": self._made_at(chain)}

    def _made_at(self, chain: str) -> str | None:
        return self._store.setting(f"wallet {chain}")

    def _estimate(self, request: Request, _path: dict[str, str]) -> Reply:
        asked = request.query
        coin, address = _coin(asked.get("asset", "")), _address(asked.get("to_address"))
        _amount(asked.get("amount"))
        fee = text(self._fee(coin, self._chain(coin.code, None, address)))
        return json_reply({"fee": fee, "network_fee": fee})

    def _transfers(self, _request: Request, _path: dict[str, str]) -> Reply:
        return json_reply(self.wire_all())

    def _transfer(self, _request: Request, path: dict[str, str]) -> Reply:
        return json_reply(_transfer_wire(self._find(path["key"])))

    def _send(self, request: Request, _path: dict[str, str]) -> Reply:
        body = request.json()
        coin, address, amount = _coin(body.get("asset")), _address(body.get("address")), _amount(body.get("amount"))
        chain, now = self._chain(coin.code, body.get("chain"), address), clock.now()
        known = next((w for w in self._store.whitelists() if (w.chain, w.address) == (chain, address)), None)
        if known is None or not self._is_approved(known):
            raise errors.forbidden(f"address {address} is not whitelisted")
        fee = money.round_up(self._fee(coin, chain) * self._settings.transfer_fee_factor, coin.size_step)
        free = self._engine.account.free_quantity(coin.symbol, self._engine.open_orders)
        if amount + fee > free:
            raise errors.insufficient_balance(coin.code, requested=amount + fee, available=max(ZERO, free))
        transfer = Transfer(
            id=str(uuid.uuid4()),
            asset=coin.code,
            chain=chain,
            to_address=address,
            amount=amount,
            fee=fee,
            usd_value=(amount * coin.base_price).quantize(Decimal("0.01")),
            created_at=now,
            fails=self.fails_next(),
        )
        with self._store.transaction():
            self._engine.account.withdraw(coin.symbol, amount + fee)
            self._store.add_transfer(transfer)
        return json_reply(_transfer_wire(transfer))

    def _whitelists(self, _request: Request, _path: dict[str, str]) -> Reply:
        return json_reply([self._whitelist_wire(one) for one in self._store.whitelists()])

    def _whitelist(self, request: Request, _path: dict[str, str]) -> Reply:
        body = request.json()
        coin, address = _coin(body.get("asset")), _address(body.get("address"))
        chain = self._chain(coin.code, body.get("chain"), address)
        if any((one.chain, one.address) == (chain, address) for one in self._store.whitelists()):
            raise errors.bad_parameter(f"address {address} is already whitelisted")
        made = Whitelisted(id=str(uuid.uuid4()), asset=coin.code, chain=chain, address=address, created_at=clock.now())
        self._store.save_whitelisted(made)
        return json_reply(self._whitelist_wire(made))

    def _unlist(self, _request: Request, path: dict[str, str]) -> Reply:
        if not self._store.delete_whitelisted(path["key"]):
            raise errors.not_found("whitelisted address")
        return json_reply({})

    # Help

    def _find(self, key: str) -> Transfer:
        transfer = self._store.transfer(key)
        if transfer is None:
            raise errors.not_found("transfer")
        return transfer

    def _fee(self, coin: assets.Coin, chain: str) -> Decimal:
        """A chain's fee in dollars, as coins at the base price: the same at any moment."""
        return money.round_up(_FEE_USD.get(chain, _FEE_USD_OTHERS) / coin.base_price, coin.size_step)

    def _is_approved(self, one: Whitelisted) -> bool:
        return one.approved or clock.now() - one.created_at >= self._settings.whitelist_seconds * clock.MICROS

    def _whitelist_wire(self, one: Whitelisted) -> dict[str, Any]:
        return {
            "id": one.id,
            "asset": one.asset,
            "chain": one.chain,
            "address": one.address,
            "status": "APPROVED" if self._is_approved(one) else "PENDING",
            "created_at": clock.iso(one.created_at),
        }

    def _chain(self, code: str, named: object, address: str) -> str:
        """The chain that is meant: the coin's own, or for one with several the named one, or the address's."""
        if named not in (None, "", *CHAINS):
            raise errors.invalid(f"invalid chain: {str(named)[:20]}")
        possible = [code] if code in _OWN_CHAIN else ["ETH"]
        possible += ["SOL"] if code in _ON_SOLANA_TOO else []
        possible += ["ARB"] if code in _ON_ARBITRUM_TOO else []
        if named:
            if named not in possible:
                raise errors.invalid(f"{code} is not on the chain {named}")
            return str(named)
        if "SOL" in possible and address and not address.startswith("0x"):
            return "SOL"
        return possible[0]


def _hash(transfer: Transfer) -> str:
    """A transaction's hash as it could be: the same for the same transfer."""
    digest = hashlib.sha256(transfer.id.encode()).hexdigest()
    return f"0x{digest}" if transfer.to_address.startswith("0x") else digest


def _former(network: str | None) -> str | None:
    """The chain by the parameter's former name."""
    if network in (None, ""):
        return None
    chain = {"ethereum": "ETH", "solana": "SOL"}.get(network or "")
    if chain is None:
        raise errors.invalid(f"invalid network: {str(network)[:20]}")
    return chain


def _coin(code: object) -> assets.Coin:
    coin = assets.find(f"{code}/USD") if isinstance(code, str) and "/" not in code else None
    if coin is None:
        raise errors.invalid(f"invalid asset: {str(code)[:20]}")
    return coin


def _address(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _ADDRESS_MAX or not value.isprintable():
        raise errors.invalid("address is required")
    return value


def _amount(value: object) -> Decimal:
    try:
        amount = money.parse(value)
    except ValueError as error:
        raise errors.invalid(f"invalid amount: {str(value)[:40]}") from error
    if amount <= 0 or money.decimals(amount) > _DECIMALS_MAX:
        raise errors.invalid(f"amount is positive, with at most {_DECIMALS_MAX} decimal places")
    return amount


def _transfer_wire(transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "direction": "OUTGOING",
        "status": transfer.status,
        "asset": transfer.asset,
        "chain": transfer.chain,
        "amount": text(transfer.amount),
        "network_fee": text(transfer.fee),
        "fees": text(transfer.fee),
        "usd_value": text(transfer.usd_value),
        "from_address": _OWN_ADDRESSES.get(transfer.chain, ""),
        "to_address": transfer.to_address,
        "tx_hash": transfer.tx_hash,
        "created_at": clock.iso(transfer.created_at),
    }
