"""Demo data: two customers, an operator, a bot's key, and demo money; never where the settings say production.

Loading it again changes nothing. Passwords and the key's secret are derived from the installation's own secret key:
different in every copy, the same at every start, and stored nowhere but as hashes.
"""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources

import structlog

from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.compliance.kyc.levels import seed_demo_level
from bitcurrent.compliance.screening.lists import import_list, read_files
from bitcurrent.identity.factors.enrolment import ensure_totp
from bitcurrent.identity.model import Actor, Role
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.settings import Settings

log = structlog.get_logger()

DOMAIN = "demo.bitcurrent.test"
CREDIT = Decimal(100_000)
"""Dollars that each demo customer begins with."""

VENUE_CASH = Decimal(10_000_000)
"""Dollars in the sandbox's account when it opens: the omnibus account begins with as much."""

BOT_LABEL = "Demo bot"


class DemoRefused(Exception):
    """Demo data is for demonstrations: this installation says production."""


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    display_name: str
    role: Role

    @property
    def email(self) -> str:
        return f"{self.name}@{DOMAIN}"


ANN = _Person("ann", "Ann Demo", "customer")
BEN = _Person("ben", "Ben Demo", "customer")
OLGA = _Person("olga", "Olga Demo", "admin")
WITH_SECOND_FACTOR = (BEN, OLGA)
"""Ann logs in with her password alone and may add a factor herself; the operator's pages open with one only."""


def load(settings: Settings) -> dict[str, dict[str, str]]:
    """Make what is missing of the demo data; gives the logins by name: customer, second_customer, operator, bot.

    Raises DemoRefused in production. Needs PostgreSQL; Redis may be absent.
    """
    if settings.env != "demo":
        raise DemoRefused("Demo data is refused: BITCURRENT_ENV says production.")
    asyncio.run(_load(settings))
    key_id, secret_key = _bot_key(settings)
    return {
        "customer": _login(settings, ANN),
        "second_customer": _login(settings, BEN),
        "operator": _login(settings, OLGA),
        "bot": {"key_id": key_id, "secret_key": secret_key},
    }


async def _load(settings: Settings) -> None:
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=2)
    redis = connect_redis(settings.redis_url)
    identity = Identity(database, redis, settings)
    conduct = Conduct(database, identity.vault, default=settings.default_jurisdiction)
    try:
        await _fund_the_venue(database)
        await _list_nobody(database)
        for person in (ANN, BEN, OLGA):
            user_id = await _ensure_person(identity, database, settings, person)
            if person.role == "customer":
                await _credit(database, person, user_id)
                async with database.transaction() as connection:
                    await conduct.pass_for_demo(connection, user_id)
                    await seed_demo_level(connection, user_id, "full")
            if person in WITH_SECOND_FACTOR:
                async with database.transaction() as connection:
                    await ensure_totp(connection, identity.vault, user_id, _totp_secret(settings, person))
            if person is ANN:
                await _ensure_bot_key(identity, database, settings, user_id)
    finally:
        identity.close()
        await redis.aclose()
        await database.close()


async def _fund_the_venue(database: Database) -> None:
    """The house's own cash went from the bank to the venue before the first customer came."""
    move = Move(source=house("venue", "USD"), target=house("bank", "USD"), amount=VENUE_CASH)
    async with database.transaction() as connection:
        await ledger.post(connection, Journal(kind="venue_funding", reference="demo:venue:USD", moves=(move,)))


async def _list_nobody(database: Database) -> None:
    """A sanctions list of people who do not exist, so that withdrawals are screened and a match can be seen."""
    data = resources.files("bitcurrent.compliance.screening").joinpath("demo_list.csv").read_bytes()
    async with database.transaction() as connection:
        read = read_files({"demo_list.csv": data}, "demo")
        await import_list(connection, read, imported_by="demo data", may_shrink=True)


async def _ensure_person(identity: Identity, database: Database, settings: Settings, person: _Person) -> UserId:
    async with database.read() as connection:
        known = await identity.user_by_email(connection, person.email)
    if known is not None:
        return known.id
    wish = await identity.registration_of(
        email=person.email,
        display_name=person.display_name,
        password=_password(settings, person),
        role=person.role,
    )
    async with database.transaction() as connection:
        user = await identity.register(connection, wish, address="demo data")
    log.info("demo_person_made", email=person.email)
    return user.id


async def _credit(database: Database, person: _Person, user_id: UserId) -> None:
    move = Move(source=house("bank", "USD"), target=available(user_id, "USD"), amount=CREDIT)
    journal = Journal(kind="demo_credit", reference=f"demo:{person.name}:USD", moves=(move,))
    async with database.transaction() as connection:
        await ledger.post(connection, journal)


async def _ensure_bot_key(identity: Identity, database: Database, settings: Settings, user_id: UserId) -> None:
    key_id, secret = _bot_key(settings)
    actor = Actor(user_id, "customer", "active")
    async with database.transaction() as connection:
        await identity.ensure_key(
            connection, actor, key_id=key_id, secret=secret, label=BOT_LABEL, scopes=("read", "trade")
        )


def _password(settings: Settings, person: _Person) -> str:
    """Eighty bits in groups that can be typed."""
    text = _derive(settings, f"password {person.name}")[:16].lower()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def _totp_secret(settings: Settings, person: _Person) -> str:
    """For an authenticator app, or for whoever computes the codes: 160 bits in base 32."""
    return _derive(settings, f"totp {person.name}")[:32]


def _login(settings: Settings, person: _Person) -> dict[str, str]:
    login = {"email": person.email, "password": _password(settings, person)}
    return {**login, "totp_secret": _totp_secret(settings, person)} if person in WITH_SECOND_FACTOR else login


def _bot_key(settings: Settings) -> tuple[str, str]:
    return "BK" + _derive(settings, "key id")[:18], _derive(settings, "key secret")[:40]


def _derive(settings: Settings, purpose: str) -> str:
    """Base-32 text that only who has the secret key can tell, and that tells nothing of it."""
    digest = hmac.digest(settings.secret_key.encode(), f"bitcurrent demo {purpose}".encode(), hashlib.sha256)
    return base64.b32encode(digest).decode().rstrip("=")
