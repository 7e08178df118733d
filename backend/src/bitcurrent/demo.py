"""A customer's first hour, in the terminal, against a running copy: every step real, every journal shown.

It is a customer like others: it registers, logs in, pays in by card and trades over the public API and the live socket.
Only two things go behind the counter: saying that an identity was verified, and reading the books.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
from rich.console import Console
from rich.table import Table
from websockets.sync.client import ClientConnection, connect

from bitcurrent.compliance.kyc.levels import seed_demo_level
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.reconciliation.commands import show
from bitcurrent.reconciliation.service import verify
from bitcurrent.reconciliation.table_commands import reconcile
from bitcurrent.settings import Settings
from bitcurrent.wiring import open_books

MARKET = "BTC-USD"
PAID_IN = "500"
TEST_CARD = "4242424242424242"
SPEND = "250"
FILL_SECONDS_MAX = 20
MAIL_SECONDS_MAX = 15
ENDED = ("filled", "canceled", "expired", "rejected")


class DemoFailed(Exception):
    """A step was refused; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One demo customer, logged in."""

    http: httpx.Client
    socket: ClientConnection
    console: Console
    user_id: UserId


def run(settings: Settings, live_url: str, mailbox_url: str, console: Console | None = None) -> int:
    """Play the hour; the exit code is 0 when the laws hold at its end."""
    console = console or Console()
    if settings.env != "demo":
        console.print("[red]The demo gives money away: it runs only where BITCURRENT_ENV=demo.[/red]")
        return 1
    try:
        return _play(settings, live_url, mailbox_url, console)
    except (httpx.TransportError, ConnectionError, TimeoutError) as error:
        console.print(f"[red]The copy at {settings.base_url} does not answer ({error}).[/red] Bring it up: make up")
        return 1
    except DemoFailed as error:
        console.print(f"[red]The demo stopped:[/red] {error}", highlight=False)
        return 1


def _play(settings: Settings, live_url: str, mailbox_url: str, console: Console) -> int:
    with httpx.Client(base_url=settings.base_url, timeout=10) as http:
        user_id, token = _register(http, mailbox_url, console)
        http.headers["Authorization"] = f"Bearer {token}"
        with connect(f"{live_url}/ws", open_timeout=5, close_timeout=2) as socket:
            visit = Visit(http, socket, console, user_id)
            _subscribe(visit, token)
            asyncio.run(_verify(settings, visit))
            _go_on(visit)
            _pay_in(visit)
            _show_price(visit)
            bought = _buy(visit)
            _sell_half(visit, bought)
            _show_balances(visit)
    kept = asyncio.run(_show_books(settings, console, user_id))
    _step(console, "Our books beside those of venue, processor and bank")
    return kept or reconcile(lambda: open_books(settings), console=console)


def _step(console: Console, text: str) -> None:
    console.print(f"\n[bold cyan]›[/bold cyan] [bold]{text}[/bold]")


def _register(http: httpx.Client, mailbox_url: str, console: Console) -> tuple[UserId, str]:
    email = f"demo-{secrets.token_hex(4)}@demo.bitcurrent.test"
    password = secrets.token_urlsafe(18)
    _step(console, f"Register as {email}")
    _ask(http, "POST", "/api/register", {"email": email, "password": password, "display_name": "Demo"})
    _step(console, "Open the link in the mail")
    _ask(http, "POST", "/api/email/verify", {"token": _mailed_token(mailbox_url, email)})
    console.print(f"  the address is confirmed; the letter lies in {mailbox_url}")
    login = _ask(http, "POST", "/api/login", {"email": email, "password": password})
    http.cookies.clear()
    console.print(f"  a session of 24 hours, customer {login['user']['id']}")
    return UserId(UUID(login["user"]["id"])), str(login["token"])


def _mailed_token(mailbox_url: str, email: str) -> str:
    """The token behind the # of the link in the newest letter to an address; raises DemoFailed when none comes."""
    deadline = time.monotonic() + MAIL_SECONDS_MAX
    while time.monotonic() < deadline:
        letters = httpx.get(f"{mailbox_url}/messages", params={"to": email}, timeout=10).json()["messages"]
        if letters:
            return str(letters[0]["links"][0]).partition("=")[2]
        time.sleep(0.2)
    raise DemoFailed(f"no letter for {email} came to {mailbox_url} in {MAIL_SECONDS_MAX} s")


def _subscribe(visit: Visit, token: str) -> None:
    visit.socket.send(msgspec.json.encode({"op": "auth", "token": token}).decode())
    wish = {"op": "subscribe", "channels": ["orders", "balances"]}
    visit.socket.send(msgspec.json.encode(wish).decode())


async def _verify(settings: Settings, visit: Visit) -> None:
    """What compliance does when somebody's identity has been checked."""
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=1)
    async with database.transaction() as connection:
        await seed_demo_level(connection, visit.user_id, "basic")
    await database.close()


def _go_on(visit: Visit) -> None:
    """Read what the rules of the customer's country put before money goes in, and go on from it."""
    _step(visit.console, "Read the warning, and go on")
    standing = _ask(visit.http, "GET", "/api/conduct")
    following = standing["next"]
    if standing["complete"] or following["text_sha256"] is None or following["state"] != "due":
        return
    visit.console.print(f"  [dim]{following['text']}[/dim]", highlight=False)
    body = {name: following[name] for name in ("step", "version", "text_sha256")}
    _ask(visit.http, "POST", "/api/conduct/texts", {**body, "choice": "continue"}, key=secrets.token_hex(8))


def _pay_in(visit: Visit) -> None:
    """Ask for a deposit, pay on the processor's page with its test card, and wait for the live balance."""
    _step(visit.console, f"Pay in {PAID_IN} USD by card")
    started = time.monotonic()
    deposit = _ask(
        visit.http, "POST", "/api/deposits", {"amount": PAID_IN, "currency": "USD"}, key=secrets.token_hex(8)
    )
    if not deposit["url"]:
        raise DemoFailed(f"the deposit is {deposit['state']} and has no page to pay on")
    visit.console.print(f"  [dim]{_since(started)}[/dim] fee {deposit['fee']} USD; the page: {deposit['url']}")
    page = httpx.get(deposit["url"], timeout=10)
    form = {"number": TEST_CARD, "expiry": "12 / 34", "cvc": "123", "name": "Demo", "method": "card"}
    paid = httpx.post(page.url, data=form, timeout=10)
    if paid.is_error:
        raise DemoFailed(f"the page answered {paid.status_code}: {paid.text[:200]}")
    visit.console.print(f"  [dim]{_since(started)}[/dim] paid with the test card ending in {TEST_CARD[-4:]}")
    deadline = time.monotonic() + FILL_SECONDS_MAX
    while time.monotonic() < deadline:
        message = msgspec.json.decode(visit.socket.recv(timeout=deadline - time.monotonic()))
        if message.get("type") == "balance" and message["kind"] == "deposit_credited":
            break
    credited = _ask(visit.http, "GET", f"/api/deposits/{deposit['id']}")
    if credited["state"] != "paid":
        raise DemoFailed(f"the deposit is {credited['state']} after {FILL_SECONDS_MAX} s")
    visit.console.print(
        f"  [dim]{_since(started)}[/dim] the webhook came: {credited['credited']} USD to trade with at once; they can "
        f"leave from {credited['release_at'][:10]} on, or earlier"
    )


def _show_price(visit: Visit) -> None:
    _step(visit.console, f"The price of {MARKET} now")
    market = _ask(visit.http, "GET", f"/api/markets/{MARKET}")
    table = Table("bid", "ask", "last", "24 h", box=None, padding=(0, 3, 0, 2))
    table.add_row(*(str(market.get(name) or "–") for name in ("bid", "ask", "last", "change_24h")))
    visit.console.print(table)


def _buy(visit: Visit) -> dict[str, Any]:
    wish = {"symbol": MARKET, "side": "buy", "type": "market", "notional": SPEND}
    _step(visit.console, f"Buy {SPEND} USD of BTC at the market")
    preview = _ask(visit.http, "POST", "/api/orders/preview", wish)
    visit.console.print(
        f"  before: about {preview['expected_net']} {preview['expected_net_currency']} after a fee of "
        f"{preview['expected_fee']} {preview['fee_currency']} ({preview['fee_bps']} bps); "
        f"{preview['hold_amount']} {preview['hold_currency']} will be held"
    )
    return _place_and_watch(visit, wish)


def _sell_half(visit: Visit, bought: dict[str, Any]) -> None:
    half = (Decimal(bought["net"]) / 2).quantize(Decimal("0.000000001"))
    _step(visit.console, f"Sell half of it: {half} BTC")
    _place_and_watch(visit, {"symbol": MARKET, "side": "sell", "type": "market", "quantity": f"{half:f}"})


def _place_and_watch(visit: Visit, wish: dict[str, str]) -> dict[str, Any]:
    started = time.monotonic()
    order = _ask(visit.http, "POST", "/api/orders", wish, key=secrets.token_hex(8))
    visit.console.print(f"  [dim]{_since(started)}[/dim] accepted, {order['held']} {order['hold_currency']} held")
    deadline = started + FILL_SECONDS_MAX
    while time.monotonic() < deadline:
        message = msgspec.json.decode(visit.socket.recv(timeout=deadline - time.monotonic()))
        if message.get("type") != "order" or message["order"]["id"] != order["id"]:
            continue
        order = message["order"]
        word = str(message["kind"]).removeprefix("order.")
        fill = message.get("fill")
        what = f": {fill['quantity']} at {fill['price']}, fee {fill['fee']} {fill['fee_currency']}" if fill else ""
        visit.console.print(f"  [dim]{_since(started)}[/dim] {word}{what}")
        if order["state"] in ENDED:
            visit.console.print(f"  received {order['net']} net of fees, nothing is held any more")
            return dict(order)
    raise TimeoutError(f"the order did not end within {FILL_SECONDS_MAX} s")


def _show_balances(visit: Visit) -> None:
    _step(visit.console, "What the customer has now")
    table = Table("currency", "available", "held", box=None, padding=(0, 3, 0, 2))
    for balance in _ask(visit.http, "GET", "/api/balances")["items"]:
        table.add_row(balance["currency"], balance["available"], balance["held"])
    visit.console.print(table)


async def _show_books(settings: Settings, console: Console, user_id: UserId) -> int:
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=2)
    async with database.read() as connection:
        _step(console, "Every journal that moved this money")
        console.print(_journals(await _read_journals(connection, user_id)))
        _step(console, "The laws, proven on the whole ledger")
        report = await verify(connection)
    await database.close()
    show(report, console)
    return 0 if report.holds else 1


async def _read_journals(connection: Any, user_id: UserId) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT j.created_at, j.kind, e.journal_id, e.account, e.user_id, e.currency, trim_scale(e.amount) AS amount
        FROM entries e JOIN journals j ON j.id = e.journal_id AND j.created_at = e.created_at
        WHERE (e.journal_id, e.created_at) IN (SELECT journal_id, created_at FROM entries WHERE user_id = $1)
        ORDER BY e.created_at, e.journal_id, e.line
        """,
        user_id,
    )
    return rows


def _journals(rows: list[asyncpg.Record]) -> Table:
    table = Table("time", "journal", "account", "amount", box=None, padding=(0, 3, 0, 2))
    table.columns[3].justify = "right"
    last = None
    for row in rows:
        first = row["journal_id"] != last
        last = row["journal_id"]
        owner = "customer " if row["user_id"] else ""
        table.add_row(
            f"{row['created_at']:%H:%M:%S.%f}"[:-3] if first else "",
            row["kind"] if first else "",
            f"{owner}{row['account']}:{row['currency']}",
            f"{row['amount']:+f}",
        )
    return table


def _ask(http: httpx.Client, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
    answer = http.request(method, path, json=body, headers={"Idempotency-Key": key} if key else None)
    if answer.is_error:
        raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def _since(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:6.0f} ms"
