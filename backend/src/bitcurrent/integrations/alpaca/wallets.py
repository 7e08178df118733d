"""Funding's wallets, as Alpaca: addresses that it is told, transfers out of the account, what they cost.

Alpaca's published description (2026-07) calls the creation of transfers deprecated, with its end announced for
2026-10-09. Where an account may not use it any more its refusal is final for that withdrawal, whose money goes back.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import structlog

from bitcurrent.funding.ports import AllowedAddress, NotSent, OutcomeUnknown, RefusedOutside, Transfer, TransferStatus
from bitcurrent.integrations.alpaca import wire
from bitcurrent.integrations.alpaca.budget import Priority, RequestBudget
from bitcurrent.integrations.alpaca.client import AlpacaClient
from bitcurrent.integrations.alpaca.wire import Unreadable
from bitcurrent.kernel.money import plain
from bitcurrent.settings import Settings
from bitcurrent.trading.ports import VenueError, VenueRefused, VenueUnknown

log = structlog.get_logger(__name__)

T = TypeVar("T")

NOT_FOUND: Final = "40410000"
SHARE_OF_BUDGET: Final = 10
"""A tenth of the venue's requests a minute, in each process: orders keep the rest."""
BUDGET_MIN: Final = 10
LISTED_MAX: Final = 100_000
_STATUS: Final[dict[str, TransferStatus]] = {"PROCESSING": "processing", "COMPLETE": "complete", "FAILED": "failed"}


class AlpacaWallets:
    """The wallets port over REST."""

    def __init__(self, client: AlpacaClient) -> None:
        self._client = client
        self._own: dict[tuple[str, str | None], str] = {}

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """The wallets of the account that the settings name. Nothing is sent yet."""
        share = max(BUDGET_MIN, settings.alpaca_requests_per_minute // SHARE_OF_BUDGET)
        return cls(
            AlpacaClient(
                base_url=settings.alpaca_trading_url,
                key_id=settings.alpaca_key_id,
                secret_key=settings.alpaca_secret_key,
                budget=RequestBudget(share),
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def own_address(self, *, asset: str, chain: str | None) -> str:
        """GET /v2/wallets?asset=; the wallet is made there when there was none."""
        key = (asset, chain)
        if key not in self._own:
            wallet = await self._ask("/v2/wallets", {"asset": asset} | _chain(chain))
            if isinstance(wallet, list) and wallet:
                wallet = wallet[0]
            self._own[key] = _readable(lambda found: str(found["address"]), wallet)
        return self._own[key]

    async def estimate_fee(self, *, asset: str, chain: str | None, to_address: str, amount: Decimal) -> Decimal:
        """GET /v2/wallets/fees/estimate; the whole fee, of which the network's is a part."""
        answer = await self._ask(
            "/v2/wallets/fees/estimate",
            {
                "asset": asset,
                "from_address": await self.own_address(asset=asset, chain=chain),
                "to_address": to_address,
                "amount": plain(amount),
            },
        )
        return _readable(lambda found: _whole_fee(found, "fee"), answer)

    async def allow_address(self, *, asset: str, chain: str | None, address: str) -> AllowedAddress:
        """POST /v2/wallets/whitelists."""
        body = {"asset": asset, "address": address} | _chain(chain)
        return _answered(_read_allowed, await self._tell("POST", "/v2/wallets/whitelists", body))

    async def forget_address(self, allowed_id: str) -> None:
        """DELETE /v2/wallets/whitelists/{id}."""
        try:
            await self._tell("DELETE", f"/v2/wallets/whitelists/{quote(allowed_id, safe='')}", None)
        except RefusedOutside as refusal:
            if refusal.code != NOT_FOUND:
                raise

    async def allowed_addresses(self) -> list[AllowedAddress]:
        """GET /v2/wallets/whitelists."""
        return [_readable(_read_allowed, row) for row in await self._rows("/v2/wallets/whitelists")]

    async def send(self, *, asset: str, chain: str | None, amount: Decimal, address: str) -> Transfer:
        """POST /v2/wallets/transfers, once."""
        body = {"asset": asset, "amount": plain(amount), "address": address} | _chain(chain)
        return _answered(_read_transfer, await self._tell("POST", "/v2/wallets/transfers", body))

    async def transfers(self) -> list[Transfer]:
        """GET /v2/wallets/transfers, the outgoing ones, newest first. The list has no pages."""
        rows = await self._rows("/v2/wallets/transfers")
        found = [_readable(_read_transfer, row) for row in rows if row.get("direction") != "INCOMING"]
        return sorted(found, key=lambda transfer: transfer.created_at, reverse=True)

    async def _rows(self, path: str) -> list[dict[str, Any]]:
        answer = await self._ask(path, {})
        if not isinstance(answer, list) or len(answer) > LISTED_MAX or not all(isinstance(row, dict) for row in answer):
            raise NotSent("the venue did not answer with a list")
        return answer

    async def _ask(self, path: str, params: dict[str, str]) -> Any:
        return await _in_our_words(self._client.read(path, priority=Priority.LOOK_UP, params=params))

    async def _tell(self, method: str, path: str, body: dict[str, str] | None) -> Any:
        return await _in_our_words(self._client.write(method, path, priority=Priority.ORDER, body=body))


async def _in_our_words(request: Awaitable[T]) -> T:
    """The answer, or funding's word for what went wrong."""
    try:
        return await request
    except VenueError as error:
        raise NotSent(str(error)) from error
    except VenueUnknown as error:
        raise OutcomeUnknown(str(error)) from error
    except VenueRefused as refusal:
        raise RefusedOutside(refusal.code or "refused", refusal.reason) from refusal


def _chain(chain: str | None) -> dict[str, str]:
    return {} if chain is None else {"chain": chain}


def _readable(read: Callable[[Any], T], answer: Any) -> T:
    """What was read, or NotSent: a question whose answer makes no sense has changed nothing."""
    try:
        return read(answer)
    except (Unreadable, KeyError, TypeError, ValueError) as error:
        raise NotSent(f"the venue's answer cannot be read: {type(error).__name__}") from error


def _answered(read: Callable[[Any], T], answer: Any) -> T:
    """The answer to a write: one that cannot be read leaves open what happened."""
    try:
        return read(answer)
    except (Unreadable, KeyError, TypeError, ValueError) as error:
        raise OutcomeUnknown(f"the venue's answer cannot be read: {type(error).__name__}") from error


def _read_allowed(row: Any) -> AllowedAddress:
    return AllowedAddress(
        id=str(row["id"]), chain=str(row["chain"]), address=str(row["address"]), approved=row["status"] == "APPROVED"
    )


def _read_transfer(row: Any) -> Transfer:
    status = str(row["status"])
    if status not in _STATUS:
        log.warning("transfer_status_unknown", status=status[:40])
    return Transfer(
        id=str(row["id"]),
        # A word that we do not know is not an end.
        status=_STATUS.get(status, "processing"),
        asset=str(row["asset"]),
        amount=wire.read_amount(row["amount"]),
        network_fee=_whole_fee(row, "fees"),
        to_address=str(row["to_address"]),
        chain=str(row["chain"]) if row.get("chain") else None,
        transaction_hash=str(row["tx_hash"]) if row.get("tx_hash") else None,
        created_at=_moment(row["created_at"]),
    )


def _whole_fee(row: Any, name: str) -> Decimal:
    """What a transfer costs altogether.

    Assumed: the published description has `network_fee` beside `fee` or `fees` and does not say whether one is a part
    of the other; the greater one is taken.
    """
    return max(wire.read_amount(row.get(part) or "0") for part in (name, "network_fee"))


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
