"""The command line: one name, `bitcurrent`, for everything an operator does.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bitcurrent.launcher.layout import Copy
    from bitcurrent.settings import Settings

OWNER_URL = "BITCURRENT_OWNER_DATABASE_URL"
PORT_DEFAULT = 8000
PORT_MAX = 65529  # a copy takes seven in a row

_port = click.option(
    "--port", type=click.IntRange(1024, PORT_MAX), default=PORT_DEFAULT, envvar="PORT", show_default=True,
    help="The first of the copy's seven ports.",
)  # fmt: skip
_data = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=Path("var"), envvar="DATA",
    show_default=True, help="The folder where everything of this copy lies.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Run a retail crypto brokerage: bring it up, look after it, prove its books."""


@main.command()
@_port
@_data
@click.option("--verbose", "-v", is_flag=True, help="Show what every process writes to its log.")
@click.option("--no-web", is_flag=True, help="Bring up everything but the web app.")
def up(port: int, data: Path, verbose: bool, no_web: bool) -> None:
    """Bring up a whole brokerage on this machine, with demo data."""
    from bitcurrent.launcher.up import Wishes, up

    sys.exit(up(_copy(port, data), Wishes(verbose=verbose, without=frozenset({"web"} if no_web else ()))))


@main.command()
@_port
@_data
def doctor(port: int, data: Path) -> None:
    """Say what is wrong with this machine, and how to mend it."""
    from bitcurrent.launcher.doctor import doctor

    sys.exit(doctor(_copy(port, data)))


@main.command("clean-data")
@_data
def clean_data(data: Path) -> None:
    """Throw away a copy's data: the next `up` starts anew."""
    from bitcurrent.launcher.clean import clean_data
    from bitcurrent.launcher.errors import LaunchError

    copy = _copy(PORT_DEFAULT, data)
    try:
        removed = clean_data(copy)
    except LaunchError as error:
        raise click.ClickException(f"{error.what} {error.mend}".strip()) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    click.echo(f"{copy.data}: removed {', '.join(removed)}." if removed else f"{copy.data} holds no data.")


@main.command()
def serve() -> None:
    """Serve the HTTP API."""
    from bitcurrent.web.server import serve

    serve(_settings())


@main.command()
def live() -> None:
    """Serve the live WebSocket streams."""
    _entry("bitcurrent.live.server", "run")(_settings())


@main.command()
def worker() -> None:
    """Run the worker: sends orders, settles fills, does the jobs."""
    from bitcurrent.worker import run

    run(_settings())


@main.command()
def migrate() -> None:
    """Bring the database to this version's schema.

    Needs BITCURRENT_OWNER_DATABASE_URL, and the encryption keys where a revision encrypts what lay open.
    """
    from bitcurrent.kernel.crypto import BadKeys
    from bitcurrent.migrate import upgrade
    from bitcurrent.settings import SettingsError, read_vault

    owner_url = os.environ.get(OWNER_URL)
    if not owner_url:
        raise click.ClickException(f"{OWNER_URL} is not set: it names the database's owner, not the app's role.")
    try:
        upgrade(owner_url, vault=read_vault())
    except (BadKeys, SettingsError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@_data
def demo(data: Path) -> None:
    """Play a customer's first hour against a running copy, with every journal that moved money."""
    from bitcurrent.launcher.layout import Copy

    settings = _settings(data)
    mailbox_url = Copy(settings.port, data).mailbox_url
    sys.exit(_entry("bitcurrent.demo", "run")(settings, settings.live_url, mailbox_url))


@main.command("demo-data", hidden=True)
def demo_data() -> None:
    """Load the demo customers and print their logins as JSON (the launcher reads it)."""
    from bitcurrent.demo_data import load

    click.echo(json.dumps(load(_settings())))


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Run the sandbox venue alone (see `bitcurrent sandbox --help`)."""
    # Another program on purpose: the brokerage and its outside world share no code.
    os.execv(sys.executable, [sys.executable, "-m", "bitcurrent_sandbox", *arguments])  # noqa: S606 - no shell: good


@main.group()
def ledger() -> None:
    """Look into the books."""


@ledger.command()
@_data
@click.option("--json", "as_json", is_flag=True, help="For programs: every law as JSON.")
def verify(data: Path, as_json: bool) -> None:
    """Prove the laws of money on the live books; exit code 1 when one is broken."""
    from bitcurrent.reconciliation.commands import verify

    sys.exit(verify(_settings(data), as_json=as_json))


@ledger.command()
@_data
@click.argument("user")
@click.argument("asset")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many lines to show.")
def explain(data: Path, user: str, asset: str, limit: int) -> None:
    """Show why a balance is what it is: what holds it, and the newest lines of USER (e-mail or id) in ASSET."""
    from bitcurrent.portfolio.commands import explain

    sys.exit(explain(_settings(data), user, asset, limit=limit))


@main.group()
def monitoring() -> None:
    """Look at what customers do by rules."""


@monitoring.command()
@_data
@click.option("--rule", required=True, help="The rule's name.")
@click.option("--since", required=True, type=click.DateTime(), help="From this moment on, in UTC.")
@click.option("--until", type=click.DateTime(), help="Up to this moment, in UTC; now when left out.")
@click.option("--set", "changes", multiple=True, help="Another parameter, as name=value; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one alert in a line.")
def replay(data: Path, as_json: bool, **asked: Any) -> None:
    """Show which alerts a rule would have raised in the past. Nothing is changed, nobody is told."""
    from bitcurrent.compliance.monitoring.commands import replay

    sys.exit(replay(_settings(data).database_url, as_json=as_json, **asked))


@main.command()
@_data
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--wholly", is_flag=True, help="Look at everything of the last days again, not only at what moved.")
def reconcile(data: Path, as_json: bool, wholly: bool) -> None:
    """Compare the books with venue, card processor and bank; exit code 1 when something differs."""
    from bitcurrent.reconciliation.table_commands import reconcile
    from bitcurrent.wiring import open_books

    settings = _settings(data)
    sys.exit(reconcile(lambda: open_books(settings), as_json=as_json, wholly=wholly))


@main.group()
def sanctions() -> None:
    """Look after the lists that customers are compared with."""


@sanctions.command("import")
@_data
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--source", type=click.Choice(["ofac", "uk", "demo"]), help="Whose list it is; told by its shape if not given."
)
@click.option("--may-shrink", is_flag=True, help="Take a list that lost more than a fifth of its entries.")
def sanctions_import(data: Path, files: tuple[Path, ...], source: Any, may_shrink: bool) -> None:
    """Put a list in force: OFAC's SDN.CSV, ALT.CSV and ADD.CSV together, or UK-Sanctions-List.csv."""
    from bitcurrent.compliance.screening.commands import import_files

    settings = _settings(data)
    if source == "demo" and settings.env == "production":
        raise click.ClickException("A made-up list is refused: BITCURRENT_ENV says production.")
    sys.exit(import_files(settings.database_url, files, source=source, may_shrink=may_shrink))


@sanctions.command("status")
@_data
def sanctions_status(data: Path) -> None:
    """Say which lists are in force and how far customers were compared; exit code 1 without any list."""
    from bitcurrent.compliance.screening.commands import status

    sys.exit(status(_settings(data).database_url))


@main.group()
def solvency() -> None:
    """Prove that what is owed to customers is there."""


@solvency.command("report")
@_data
@click.option("--json", "as_json", is_flag=True, help="For programs: the report as it is published.")
def solvency_report(data: Path, as_json: bool) -> None:
    """Ask venue, processor and bank, and publish a report; exit code 1 when less is there than is owed."""
    from bitcurrent.reconciliation.solvency.tasks import report
    from bitcurrent.wiring import open_books

    settings = _settings(data)
    sys.exit(report(lambda: open_books(settings), settings, as_json=as_json))


@main.group()
def payouts() -> None:
    """Carry files to the bank and back."""


@payouts.command("export")
@_data
@click.argument("batch", type=click.UUID)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_payouts(data: Path, batch: Any, file: Path) -> None:
    """Write the payment order (pain.001) of BATCH into FILE, which must not be there yet."""
    from bitcurrent.funding.payouts.commands import export_file
    from bitcurrent.wiring import open_brokerage

    sys.exit(export_file(open_brokerage(_settings(data)), batch, file))


@payouts.command("import")
@_data
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_payouts(data: Path, file: Path) -> None:
    """Read the bank's FILE in (pain.002, camt.053, CSV): all of it, or nothing; the same file again does nothing."""
    from bitcurrent.funding.payouts.commands import import_file
    from bitcurrent.wiring import open_brokerage

    sys.exit(import_file(open_brokerage(_settings(data)), file))


@main.group()
def audit() -> None:
    """Prove the log of acts."""


@audit.command("verify")
@_data
@click.option(
    "--heads", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True,
    help="A file of signed heads; may be given again. [default: the installation's own]",
)  # fmt: skip
@click.option("--public-key", "public_keys", multiple=True, help="Whose heads count; see `audit public-key`.")
@click.option(
    "--database-url", help="Look there and read no other setting: for an auditor, with a role that may only read."
)
def verify_audit(data: Path, heads: tuple[Path, ...], public_keys: tuple[str, ...], database_url: str | None) -> None:
    """Prove that no act was changed, removed, put in or moved; exit code 1 when one was."""
    from bitcurrent.audit.commands import verify

    if database_url:
        sys.exit(verify(database_url, heads=heads, public_keys=public_keys))
    settings = _settings(data)
    own = (Path(settings.audit_heads),) if settings.audit_heads else ()
    key = settings.audit_signing_key
    sys.exit(verify(settings.database_url, heads=heads or own, public_keys=public_keys, signing_key=key))


@audit.command("public-key")
@_data
def audit_public_key(data: Path) -> None:
    """Print the public key of this installation's heads: give it to whoever is to check them."""
    from bitcurrent.audit.commands import show_public_key

    sys.exit(show_public_key(_settings(data).audit_signing_key))


@main.group()
def keys() -> None:
    """Look after the keys that encrypt personal data at rest."""


@keys.command("new")
@click.option("--id", "key_id", help="What to call it. [default: today's date]")
def new_encryption_key(key_id: str | None) -> None:
    """Print a new entry for BITCURRENT_ENCRYPTION_KEYS; put it before the others, and keep them."""
    from bitcurrent.kernel.clock import now
    from bitcurrent.kernel.crypto import new_key

    click.echo(f"{key_id or now().date().isoformat()}:{new_key()}")


@keys.command("status")
@_data
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def keys_status(data: Path, as_json: bool) -> None:
    """Show how many records are under each key; exit code 1 when one that is needed is missing."""
    from bitcurrent.keys import status

    sys.exit(status(_settings(data), as_json=as_json))


@keys.command()
@_data
def rotate(data: Path) -> None:
    """Wrap every record's data key under the current key, while the brokerage runs."""
    from bitcurrent.keys import rotate

    sys.exit(rotate(_settings(data)))


@main.group()
def operators() -> None:
    """Look after those who look after the house."""


@operators.command("add")
@_data
@click.argument("email")
@click.option("--role", type=click.Choice(["support", "compliance", "finance", "admin"]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password of a new person from standard input.")
def add_operator(data: Path, email: str, role: Any, password_stdin: bool) -> None:
    """Make EMAIL an operator: a new person, whose password is asked for, or somebody known, who gets the role."""
    from bitcurrent.identity.operators_commands import add

    def ask() -> str:
        if password_stdin:
            return sys.stdin.readline().rstrip("\n")
        answer: str = click.prompt(f"Password for {email}", hide_input=True, confirmation_prompt=True)
        return answer

    sys.exit(add(_settings(data), email, role, ask))


@operators.command("list")
@_data
def list_operators(data: Path) -> None:
    """Show every operator, and what each may do."""
    from bitcurrent.identity.operators_commands import show

    sys.exit(show(_settings(data)))


@operators.command("disable")
@_data
@click.argument("email")
def disable_operator(data: Path, email: str) -> None:
    """Take EMAIL's role away and end their sessions. An account as a customer stays."""
    from bitcurrent.identity.operators_commands import disable

    sys.exit(disable(_settings(data), email))


def _entry(module: str, name: str) -> Callable[..., Any]:
    """Find the function that a command calls."""
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _copy(port: int, data: Path) -> "Copy":
    from bitcurrent.launcher.layout import Copy

    return Copy(port, data.expanduser().resolve())


def _settings(data: Path | None = None) -> "Settings":
    """Read the settings; with `data`, those of the copy there when the environment has none."""
    from bitcurrent.launcher.errors import LaunchError
    from bitcurrent.settings import SettingsError, read_settings

    environment = dict(os.environ)
    try:
        if data is not None and not any(name.startswith("BITCURRENT_DATABASE_URL") for name in environment):
            from bitcurrent.launcher.running import settings_of_copy

            environment.update(settings_of_copy(data.expanduser().resolve()))
        return read_settings(environment)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except LaunchError as error:
        raise click.ClickException(f"{error.what} {error.mend}") from None


if __name__ == "__main__":
    main()
