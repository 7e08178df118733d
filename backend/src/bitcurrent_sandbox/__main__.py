"""`python -m bitcurrent_sandbox`: the sandbox venue on a port of this machine."""

import asyncio
import logging
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import click
import uvloop

from bitcurrent_sandbox.alpaca import assets
from bitcurrent_sandbox.alpaca.replay import ReplayFileError
from bitcurrent_sandbox.alpaca.venue import VenueOptions
from bitcurrent_sandbox.money import use_exact_arithmetic
from bitcurrent_sandbox.server import serve

_PREFIX: Final = "BITCURRENT_SANDBOX"


@click.command(context_settings={"auto_envvar_prefix": _PREFIX})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8002, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--smtp-port", type=click.IntRange(1, 65535), help="Port on which the mailbox takes letters.")
@click.option("--stripe-webhooks", default="", help="Where the card processor's webhooks go.")
@click.option("--data", default="var/sandbox", show_default=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--key-id", required=True, help="The key that clients must show.")
@click.option("--secret-key", required=True, help="Its secret.")
@click.option("--seed", default=7, show_default=True, help="Prices are a function of the seed and the time.")
@click.option("--cash", default="10000000", show_default=True, help="Dollars that a new account starts with.")
@click.option("--requests-per-minute", default=200, show_default=True, type=click.IntRange(1), help="Trading budget.")
@click.option("--still", is_flag=True, help="Prices stand still and the book is deep: for tests.")
@click.option("--replay", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV of candles.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.01, 10_000), help="Replay speed.")
@click.option("--symbol", default="BTC/USD", show_default=True, help="The coin that the replay drives.")
def main(
    host: str,
    port: int,
    smtp_port: int | None,
    stripe_webhooks: str,
    data: Path,
    key_id: str,
    secret_key: str,
    seed: int,
    cash: str,
    requests_per_minute: int,
    still: bool,
    replay: Path | None,
    speed: float,
    symbol: str,
) -> None:
    """Run a venue that speaks Alpaca's protocols, a card processor that speaks Stripe's, a mailbox and a phone.

    Options are also read from BITCURRENT_SANDBOX_..."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    use_exact_arithmetic()
    coin = assets.find(symbol)
    if coin is None:
        raise click.BadParameter(f"{symbol} is not listed", param_hint="--symbol")
    try:
        money = Decimal(cash)
    except InvalidOperation as error:
        raise click.BadParameter(f"{cash} is not an amount", param_hint="--cash") from error
    if not money.is_finite() or money < 0:
        raise click.BadParameter(f"{cash} is not an amount", param_hint="--cash")
    options = VenueOptions(
        folder=data,
        key_id=key_id,
        secret=secret_key,
        seed=seed,
        cash=money,
        still=still,
        requests_per_minute=requests_per_minute,
        replay=(replay, speed, coin.symbol) if replay else None,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(options, host=host, port=port, smtp_port=smtp_port, webhook_url=stripe_webhooks))
        except ReplayFileError as error:
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
