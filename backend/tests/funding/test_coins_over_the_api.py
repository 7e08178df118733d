"""Coins leave over the API: saved, quoted, asked for, and refused where the rules say so."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Litestar

from bitcurrent.funding.addresses.export import erase, export_with
from bitcurrent.funding.addresses.tasks import Teller
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import enrol, register
from tests.support.sandbox import Sandbox
from tests.support.wallet_desk import ethereum_address


async def test_coins_leave_over_the_api(database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> None:
    await asyncio.to_thread(lambda: sandbox.control("reset", state=True))
    await asyncio.to_thread(lambda: sandbox.control("price", symbol="ETH/USD", price="2500"))
    settings = settings_for(database_urls, redis_url, sandbox, destination_wait_seconds=0)
    async with running_api(settings) as (http, app):
        await app.state["market_data"].sync_markets()
        await app.state["market_data"].refresh_prices()
        ann = await register(http)
        await enrol(http, ann)
        async with app.state["database"].transaction() as connection:
            await books.credit(connection, UserId(UUID(ann.id)), "ETH", Decimal(2))
            await connection.execute("UPDATE users SET kyc_level = 'full' WHERE id = $1", UUID(ann.id))
        wish = {"asset": "ETH", "network": "ethereum", "address": ethereum_address(), "label": "cold"}
        saved = (await http.post("/api/withdrawal-addresses", json=wish, headers=ann.bearer)).json()
        asked = {"asset": "ETH", "amount": "0.1", "destination": saved["id"]}
        early = await http.post("/api/withdrawals", json=asked, headers=ann.bearer)
        assert (early.status_code, early.json()["code"]) == (409, "address_not_ready"), early.text
        brokerage = app.state.brokerage
        teller = Teller(
            database=brokerage.database, vault=brokerage.identity.vault, wallets=brokerage.wallets, counts=Counter()
        )
        await teller.round()
        await asyncio.to_thread(lambda: sandbox.control("whitelist"))
        async with brokerage.database.transaction() as connection:
            await connection.execute("UPDATE venue_destinations SET next_at = now()")
        await teller.round()
        shown = (await http.get(f"/api/withdrawal-addresses/{saved['id']}", headers=ann.bearer)).json()
        assert shown["state"] == "ready"
        quote = await http.post("/api/withdrawals/quote", json=asked, headers=ann.bearer)
        assert quote.status_code == 200, quote.text
        assert quote.json()["network_fee"] == "0.00046875"
        large = await http.post("/api/withdrawals", json={**asked, "amount": "1"}, headers=ann.bearer)
        assert (large.status_code, large.json()["code"]) == (403, "beneficiary_needed"), large.text
        path = f"/api/withdrawal-addresses/{saved['id']}/beneficiary"
        said = await http.put(path, json={"receiver": "own_wallet"}, headers=ann.bearer)
        assert said.status_code == 200, said.text
        made = await http.post("/api/withdrawals", json={**asked, "amount": "1"}, headers=ann.bearer)
        assert made.status_code == 201, made.text
        assert made.json()["state"] == "requested"
        removed = await http.delete(f"/api/withdrawal-addresses/{saved['id']}", headers=ann.bearer)
        assert removed.status_code == 204
        gone = await http.post("/api/withdrawals", json=asked, headers=ann.bearer)
        assert (gone.status_code, gone.json()["code"]) == (404, "destination_not_found"), gone.text
        letters = await count(app, "SELECT array_agg(template ORDER BY template) FROM mails WHERE user_id = $1", ann.id)
        assert {"address_added", "address_removed", "withdrawal_confirm"} <= set(letters)
        async with app.state["database"].transaction() as connection:
            (part,) = export_with(brokerage.identity.vault)(connection, UserId(UUID(ann.id)))
            (row,) = [row async for row in part.rows]
            assert (row["address"], row["label"]) == (wish["address"], "cold")
            await erase(connection, UserId(UUID(ann.id)))
            (part,) = export_with(brokerage.identity.vault)(connection, UserId(UUID(ann.id)))
            (row,) = [row async for row in part.rows]
            assert (row["address"], row["label"]) == (None, None)


async def count(app: Litestar, query: str, user_id: str) -> Any:
    async with app.state["database"].read() as connection:
        return await connection.fetchval(query, UUID(user_id))
