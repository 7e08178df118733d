"""`bitcurrent monitoring …`: rules over the past, for whoever wants to change one."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

import asyncpg
import msgspec
from rich.console import Console

from bitcurrent.compliance.monitoring.model import RuleName, RuleUnknown
from bitcurrent.compliance.monitoring.parameters import Parameters, with_settings, written
from bitcurrent.compliance.monitoring.replaying import Tally, WouldBe, count_actual
from bitcurrent.compliance.monitoring.replaying import replay as replay_rule
from bitcurrent.compliance.monitoring.rulebook import rule_in_force
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Refusal

EXIT_DONE, EXIT_NOT_ASKED = 0, 2
READ_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


def replay(
    database_url: str,
    *,
    rule: str,
    since: datetime,
    until: datetime | None,
    changes: Sequence[str] = (),
    as_json: bool = False,
    console: Console | None = None,
) -> int:
    """Print what a rule would have said, as it comes; the exit code: 0 done, 2 it could not be done."""
    console = console or Console()
    try:
        span = (_utc(since), _utc(until) if until else now())
        asyncio.run(_replay(database_url, rule, span, changes, as_json, console))
    except Refusal as error:
        console.print(error.message, style="red", markup=False)
        return EXIT_NOT_ASKED
    except READ_ERRORS as error:
        console.print(f"The history cannot be read: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    return EXIT_DONE


async def _replay(
    url: str, rule: str, span: tuple[datetime, datetime], changes: Sequence[str], as_json: bool, console: Console
) -> None:
    since, until = span
    name = next((known for known in get_args(RuleName) if known == rule), None)
    if name is None:
        raise RuleUnknown
    database = await Database.connect(url, connections_min=1, connections_max=1, timeout_seconds=60)
    try:
        async with database.read() as connection:
            record = await rule_in_force(connection, name)
        parameters = with_settings(name, record.parameters, changes)
        tally = Tally(were=await count_actual(database, record, since=since, until=until))
        if not as_json:
            _show_rule(console, name, record.version, parameters, since, until)
        async for alert in replay_rule(database, record, parameters, since=since, until=until, tally=tally):
            _print(console, _as_data(alert) if as_json else _as_line(alert))
        if as_json:
            _print(console, _json({"transactions": tally.transactions, "would_be": tally.would_be, "were": tally.were,
                                   "both": tally.both, "only_then": tally.only_then}))  # fmt: skip
        else:
            _print(
                console,
                f"\n{tally.transactions:,} transactions: {tally.would_be:,} alerts would have been,"
                f" {tally.were:,} were; {tally.both:,} are the same, {tally.would_be - tally.both:,} new,"
                f" {tally.only_then:,} gone.",
            )
    finally:
        await database.close()


def _show_rule(
    console: Console, name: str, version: int, parameters: Parameters, since: datetime, until: datetime
) -> None:
    values = ", ".join(f"{key}={value}" for key, value in written(parameters).items())
    _print(
        console, f"{name} (version {version} in force) with {values}, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}:"
    )


def _as_line(alert: WouldBe) -> str:
    sign = "=" if alert.was else "+"
    return f"{sign} {alert.at:%Y-%m-%d %H:%M:%S} {alert.user_id} {alert.hit.score:3} {alert.hit.words}"


def _as_data(alert: WouldBe) -> str:
    return _json(
        {
            "event": alert.position,
            "user": str(alert.user_id),
            "subject": str(alert.subject) if alert.subject else None,
            "at": alert.at.isoformat(),
            "score": alert.hit.score,
            "parts": dict(alert.hit.parts),
            "words": alert.hit.words,
            "was": alert.was,
        }
    )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
