"""Print the table of ratios: each thing beside its reference, in turn, in one run."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.brokerage import CUSTOMERS, Measured, running
from bench.edge import measure
from bench.webhooks import WEBHOOKS
from bench.webhooks import measure as take_webhooks
from bitcurrent.launcher import wheels

ORDER = json.dumps(
    {
        "symbol": "BTC-USD",
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "quantity": "0.001",
        "limit_price": "50000",
    }
)
# The very function that the API calls, one order a call, no HTTP at all.
# A constant of this module and a number: nobody's input.
PGBENCH = f"""\\set n random(1, {CUSTOMERS})
SELECT outcome FROM place_order(uuidv7(), ('00000000-0000-7000-8000-' || lpad(to_hex(:n::int), 12, '0'))::uuid,
    NULL, NULL, '\\x00'::bytea, 'bench', 'BTC/USD', 'buy', 'limit', 'gtc', 0.001, NULL, 50000, NULL, NULL, 40, 'taker',
    'USD', 50, 'BTC');
"""  # noqa: S608  constants only


@dataclass(slots=True)
class Series:
    """One thing measured several times."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{self.median:,.2f} ({min(self.values):,.2f}–{max(self.values):,.2f}) {self.unit}"


def main() -> int:
    """Measure and print; the exit code says only whether the measurement itself was sound."""
    arguments = argparse.ArgumentParser(prog="make bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=5)
    wish = arguments.parse_args()
    console = Console()
    api64, api256 = (
        Series("orders over HTTP, 64 connections", "/s"),
        Series("orders over HTTP, 256 connections", "/s"),
    )
    api1 = Series("one order over HTTP, idle", "ms")
    pg32, pg1 = (
        Series("pgbench, 32 connections", "/s"),
        Series("one function call, idle", "ms"),
    )
    chain, bare = Series("a read through the whole edge chain", "µs"), Series("the same, bare framework", "µs")
    session, asked = Series("a session known again", "µs"), Series("the same, asked of PostgreSQL", "µs")
    credited, taken = Series("webhook to credited balance", "/s"), Series(f"{WEBHOOKS:,} webhooks, 30% twice", "/s")
    trips = Series("Redis round trips a request, edge", "")
    with running() as brokerage:
        for connections in (64, 256):
            _http(brokerage, connections, 2)  # warm: sessions and fee tiers are known
        for number in range(1, wish.rounds + 1):
            console.print(f"[dim]round {number} of {wish.rounds}[/dim]")
            pg32.values.append(_pgbench(brokerage, 32, wish.seconds)[0])
            api64.values.append(_http(brokerage, 64, wish.seconds)["rate"])
            api256.values.append(_http(brokerage, 256, wish.seconds)["rate"])
            pg1.values.append(_pgbench(brokerage, 1, wish.seconds / 2)[1])
            api1.values.append(_http(brokerage, 1, wish.seconds / 2)["p50_ms"])
            edge = measure(msgspec.structs.replace(brokerage.settings, metrics_port=0), brokerage.tokens[0])
            chain.values.append(edge.chain)
            bare.values.append(edge.bare)
            session.values.append(edge.session)
            asked.values.append(edge.session_in_postgresql)
            trips.values.append(edge.redis_round_trips)
            webhooks = take_webhooks(brokerage, number)
            credited.values.append(webhooks.credited_a_second)
            taken.values.append(webhooks.webhooks_a_second)
    console.print(
        _table(
            (
                (api64, pg32, 1.0, True),
                (api256, pg32, 1.2, True),
                (api1, pg1, 1.3, False),
                (chain, bare, 6.0, False),
                (session, asked, 0.1, False),
                (credited, api64, 0.5, True),
            )
        )
    )
    console.print(f"{taken.name}: {taken} answered, every payment credited once")
    console.print(f"{trips.name}: {trips.median:.4f} (lots of requests are taken from Redis at once)")
    return 0


def _http(brokerage: Measured, connections: int, seconds: float) -> dict[str, float]:
    prepared = [
        [_request(token) for token in brokerage.tokens[number::connections][:2]] for number in range(connections)
    ]
    orders = json.dumps({"port": brokerage.port, "seconds": seconds, "connections": prepared})
    ran = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=orders,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    measured: dict[str, float] = json.loads(ran.stdout)
    if measured["refused"]:
        raise SystemExit(f"{measured['refused']} of {measured['answers']} orders were refused: {measured['sample']}")
    return measured


def _request(token: str) -> str:
    return (
        f"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(ORDER)}\r\n\r\n{ORDER}"
    )


def _pgbench(brokerage: Measured, clients: int, seconds: float) -> tuple[float, float]:
    """Calls a second, and the mean milliseconds of one."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "place.sql"
        script.write_text(PGBENCH)
        ran = subprocess.run(
            [str(wheels.postgres_program("pgbench")), "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
             "-T", str(max(1, round(seconds))), "-f", str(script), brokerage.postgres.app],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    lines = ran.stdout.splitlines()
    rate = next(line for line in lines if line.startswith("tps = "))
    latency = next(line for line in lines if line.startswith("latency average = "))
    return float(rate.split()[2]), float(latency.split()[3])


def _table(rows: tuple[tuple[Series, Series, float, bool], ...]) -> Table:
    table = Table("what", "median (spread)", "beside", "median (spread)", "ratio", "goal", "")
    for measured, reference, goal, more_is_better in rows:
        ratio = measured.median / reference.median
        met = ratio >= goal if more_is_better else ratio <= goal
        sign = "≥" if more_is_better else "≤"
        table.add_row(
            measured.name, str(measured), reference.name, str(reference), f"{ratio:.2f}", f"{sign} {goal}",
            "[green]met[/green]" if met else "[yellow]not met[/yellow]",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
