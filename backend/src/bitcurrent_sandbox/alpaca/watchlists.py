"""Watch lists, as the trading API keeps them."""

import sqlite3
import uuid
from collections.abc import Callable
from typing import Any, Final

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import assets, errors
from bitcurrent_sandbox.alpaca.store import Store
from bitcurrent_sandbox.http import Reply, Request, Router, json_reply

_LISTS_MAX: Final = 200


class Watchlists:
    """Handlers under /v2/watchlists; each answers or raises VenueError."""

    def __init__(self, *, store: Store, account_id: str, active: Callable[[str], bool]) -> None:
        self._store = store
        self._account_id = account_id
        self._active = active

    def route(self, router: Router) -> None:
        """Add every route."""
        for method, pattern, handler in (
            ("GET", "/v2/watchlists", self._list),
            ("POST", "/v2/watchlists", self._create),
            ("GET", "/v2/watchlists:by_name", self._one),
            ("GET", "/v2/watchlists/(?P<key>[^/]+)", self._one),
            ("PUT", "/v2/watchlists/(?P<key>[^/]+)", self._update),
            ("POST", "/v2/watchlists/(?P<key>[^/]+)", self._add),
            ("DELETE", "/v2/watchlists/(?P<key>[^/]+)", self._delete),
            ("DELETE", "/v2/watchlists/(?P<key>[^/]+)/(?P<symbol>.+)", self._remove),
        ):
            router.add(method, pattern, handler)

    def _list(self, _request: Request, _path: dict[str, str]) -> Reply:
        hidden = ("symbols",)
        return json_reply([{k: v for k, v in kept.items() if k not in hidden} for kept in self._store.watchlists()])

    def _one(self, request: Request, path: dict[str, str]) -> Reply:
        return json_reply(self._wire(self._find(path.get("key") or request.query.get("name", ""))))

    def _create(self, request: Request, _path: dict[str, str]) -> Reply:
        body = request.json()
        if len(self._store.watchlists()) >= _LISTS_MAX:
            raise errors.forbidden(f"at most {_LISTS_MAX} watchlists")
        now = clock.iso(clock.now())
        kept = {
            "id": str(uuid.uuid4()),
            "account_id": self._account_id,
            "created_at": now,
            "updated_at": now,
            "name": self._name(body),
            "symbols": self._symbols(body),
        }
        return json_reply(self._wire(self._keep(kept)))

    def _update(self, request: Request, path: dict[str, str]) -> Reply:
        kept, body = self._find(path["key"]), request.json()
        if body.get("name"):
            kept["name"] = self._name(body)
        if body.get("symbols") is not None:
            kept["symbols"] = self._symbols(body)
        return json_reply(self._wire(self._keep(kept)))

    def _add(self, request: Request, path: dict[str, str]) -> Reply:
        kept = self._find(path["key"])
        added = self._symbols({"symbols": [request.json().get("symbol")]})
        kept["symbols"] = list(dict.fromkeys([*kept["symbols"], *added]))
        return json_reply(self._wire(self._keep(kept)))

    def _remove(self, _request: Request, path: dict[str, str]) -> Reply:
        kept = self._find(path["key"])
        coin = assets.find(path["symbol"])
        if coin is None or coin.symbol not in kept["symbols"]:
            raise errors.not_found("symbol")
        kept["symbols"].remove(coin.symbol)
        return json_reply(self._wire(self._keep(kept)))

    def _delete(self, _request: Request, path: dict[str, str]) -> Reply:
        if not self._store.delete_watchlist(path["key"]):
            raise errors.not_found("watchlist")
        return Reply(status=204)

    def _keep(self, kept: dict[str, Any]) -> dict[str, Any]:
        kept["updated_at"] = clock.iso(clock.now())
        try:
            self._store.save_watchlist(kept)
        except sqlite3.IntegrityError as error:
            raise errors.bad_parameter("watchlist name must be unique") from error
        return kept

    def _find(self, key: str) -> dict[str, Any]:
        for kept in self._store.watchlists():
            if key in (kept["id"], kept["name"]):
                return kept
        raise errors.not_found("watchlist")

    def _name(self, body: dict[str, Any]) -> str:
        name = body.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= 64:
            raise errors.invalid("name must have 1 to 64 characters")
        return name

    def _symbols(self, body: dict[str, Any]) -> list[str]:
        names = body.get("symbols") or []
        found = [assets.find(str(name)) for name in names] if isinstance(names, list) else [None]
        if None in found:
            raise errors.invalid("a symbol was not found")
        return [coin.symbol for coin in found if coin]

    def _wire(self, kept: dict[str, Any]) -> dict[str, Any]:
        coins = [coin for symbol in kept["symbols"] if (coin := assets.find(symbol))]
        listed = [assets.wire(coin, active=self._active(coin.symbol)) for coin in coins]
        return {**{k: v for k, v in kept.items() if k != "symbols"}, "assets": listed}
