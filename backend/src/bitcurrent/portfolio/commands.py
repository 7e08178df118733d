"""`bitcurrent ledger explain`: why a customer's balance is what it is, for an operator's eyes."""

import asyncio
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table

from bitcurrent.funding.holdings_model import Holding
from bitcurrent.identity.model import User
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Refusal
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain
from bitcurrent.ledger.model import Explanation
from bitcurrent.portfolio.service import Story
from bitcurrent.portfolio.service import explain as read_explanation
from bitcurrent.portfolio.wording import meaning_of
from bitcurrent.settings import Settings
from bitcurrent.trading.model import OrderHold

EXIT_AGREES, EXIT_DIFFERS, EXIT_NOT_ASKED = 0, 1, 2
LINES = 20


def explain(settings: Settings, user: str, asset: str, *, limit: int = LINES, console: Console | None = None) -> int:
    """Print the story of a balance; the exit code: 0 it adds up, 1 it does not, 2 it cannot be told."""
    console = console or Console()
    currency = asset.upper()
    try:
        who, (explanation, holds, holdings) = asyncio.run(_read(settings, user, currency, limit))
    except Refusal as refusal:
        console.print(refusal.message, style="red", markup=False)
        return EXIT_NOT_ASKED
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        console.print(f"The books cannot be read: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    _show_balance(console, who, explanation)
    _show_holds(console, currency, holds, holdings)
    _show_lines(console, explanation)
    _show_verdict(console, explanation)
    return EXIT_AGREES if explanation.agrees else EXIT_DIFFERS


async def _read(settings: Settings, user: str, currency: str, limit: int) -> tuple[User, Story]:
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=1)
    redis = connect_redis(settings.redis_url)  # Identity wants one; looking a user up does not use it
    try:
        identity = Identity(database, redis, settings)
        try:
            who = await _find(database, identity, user)
        finally:
            identity.close()
        return who, await read_explanation(database, who.id, currency, limit=limit)
    finally:
        await redis.aclose()
        await database.close()


async def _find(database: Database, identity: Identity, user: str) -> User:
    async with database.read() as connection:
        try:
            return await identity.user(connection, UserId(UUID(user)))
        except ValueError:
            found = await identity.user_by_email(connection, user)
    if found is None:
        raise UnknownUser(user)
    return found


class UnknownUser(Refusal):
    """Nobody is registered under what was given."""

    code = "unknown_user"

    def __init__(self, user: str) -> None:
        super().__init__(f"There is no user {user!r}. Give an e-mail address or an id.")


def _show_balance(console: Console, who: User, explanation: Explanation) -> None:
    balance = explanation.balance
    console.print(f"{who.email} ({who.id})", style="bold", markup=False, highlight=False)
    console.print(
        f"{plain(balance.total)} {balance.currency}: {plain(balance.available)} available, {plain(balance.held)} held",
        highlight=False,
    )


def _show_holds(console: Console, currency: str, holds: list[OrderHold], holdings: list[Holding]) -> None:
    if not holds and not holdings:
        return
    table = Table(title="What holds it", title_justify="left")
    table.add_column(currency, justify="right")
    for name in ("Id", "Since", "What", "Released"):
        table.add_column(name)
    for hold in holds:
        size = f" {plain(hold.quantity)}" if hold.quantity is not None else ""
        price = f" at {plain(hold.limit_price)}" if hold.limit_price is not None else ""
        table.add_row(
            plain(hold.amount),
            str(hold.order_id),
            f"{hold.since:%Y-%m-%d %H:%M:%S}",
            f"{hold.type} {hold.side}{size} {hold.market}{price}, {hold.state}",
            hold.released_when,
        )
    for holding in holdings:
        until = "" if holding.until is None else f", {holding.until:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            plain(holding.amount),
            str(holding.id),
            f"{holding.since:%Y-%m-%d %H:%M:%S}",
            f"{holding.kind}, {holding.state}",
            f"{holding.released_when}{until}",
        )
    console.print(table)


def _show_lines(console: Console, explanation: Explanation) -> None:
    shown, count = len(explanation.lines), explanation.line_count
    title = f"The newest {shown} of {count:,} lines" if shown < count else f"All {count:,} lines"
    table = Table(title=title, title_justify="left")
    for name in ("Time (UTC)", "What", "Reference", "Part"):
        table.add_column(name)
    table.add_column("Amount", justify="right")
    table.add_column("Left there", justify="right")
    for line in explanation.lines:
        after = "" if line.balance_after is None else plain(line.balance_after)
        table.add_row(
            f"{line.created_at:%Y-%m-%d %H:%M:%S}",
            meaning_of(line.kind),
            line.reference,
            line.account,
            f"{'+' if line.amount > 0 else ''}{plain(line.amount)}",
            after,
        )
    console.print(table)


def _show_verdict(console: Console, explanation: Explanation) -> None:
    summed = explanation.summed
    text = f"{plain(summed.available)} available and {plain(summed.held)} held"
    if explanation.agrees:
        console.print(f"All {explanation.line_count:,} lines add up to {text}: the balance.", style="green")
    else:
        console.print(
            f"All {explanation.line_count:,} lines add up to {text}: NOT the balance. Run `bitcurrent ledger verify`.",
            style="red",
        )
