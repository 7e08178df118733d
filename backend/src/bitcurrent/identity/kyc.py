"""How far a customer's identity has been verified, and the guard that asks for it."""

from typing import Literal, get_args

from litestar.handlers import BaseRouteHandler

from bitcurrent.identity.guards import Connection, Guard, actor_of
from bitcurrent.kernel.database import Connection as Session
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Forbidden
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.chain import stands_for

KycLevel = Literal["none", "basic", "full"]
LEVELS: tuple[KycLevel, ...] = get_args(KycLevel)


class KycRequired(Forbidden):
    """The customer's identity has not been verified so far."""

    code = "kyc_required"
    title = "Verification needed"

    def __init__(self, *, needed: KycLevel, reached: KycLevel) -> None:
        super().__init__(
            f"This needs the verification level '{needed}'; yours is '{reached}'. Verify your identity first.",
            details={"needed": needed, "reached": reached},
        )


def requires_kyc(level: KycLevel) -> Guard:
    """Let in customers who have been verified up to this level or further; stands after those that recognise them.

    Asks PostgreSQL each time: a level that was taken back counts at once.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        actor = await actor_of(connection)
        database: Database = connection.app.state["database"]
        async with database.read() as read:
            reached = await kyc_level_of(read, actor.user_id)
        if LEVELS.index(reached) < LEVELS.index(level):
            raise KycRequired(needed=level, reached=reached)

    return stands_for(guard, "kyc", f"An identity verified up to the level `{level}`.")


async def kyc_level_of(connection: Session, user_id: UserId, *, lock: bool = False) -> KycLevel:
    """How far a customer has been verified by now; locked, neither the level nor the profile changes meanwhile."""
    query = "SELECT kyc_level FROM users WHERE id = $1"
    # nosemgrep: formatted-sql  words of this module, nobody's input
    found: KycLevel | None = await connection.fetchval(f"{query} FOR NO KEY UPDATE" if lock else query, user_id)
    return found or "none"


async def set_kyc_level(connection: Session, user_id: UserId, level: KycLevel) -> KycLevel:
    """Set how far a customer is verified, in the transaction that keeps the evidence; the level before.

    Only compliance calls this.
    """
    before = await kyc_level_of(connection, user_id, lock=True)
    if before != level:
        await connection.execute("UPDATE users SET kyc_level = $2 WHERE id = $1", user_id, level)
    return before
