"""Operators of an application in this process, logged in from their office with a second factor."""

import itertools
from uuid import UUID

import pyotp
from litestar import Litestar

from bitcurrent.identity.factors.enrolment import ensure_totp
from bitcurrent.identity.model import Role
from bitcurrent.identity.service import Registration
from bitcurrent.kernel.ids import UserId
from bitcurrent.wiring import Brokerage
from tests.support.callers import OFFICE
from tests.support.customers import PASSWORD, Person

_numbers = itertools.count(1)


async def operator(
    app: Litestar, role: Role, *, enrolled: bool = True, stepped_up: bool = True, password: str = PASSWORD
) -> Person:
    """Somebody of this role with an open session; fresh from a second factor unless told otherwise."""
    brokerage: Brokerage = app.state.brokerage
    identity = brokerage.identity
    email = f"{role}{next(_numbers)}@operators.test"
    wish = Registration(email, f"{role} of ours", await identity.hash_password(password), role)
    async with brokerage.database.transaction() as connection:
        user = await identity.register(connection, wish, address=OFFICE)
        login = await identity.open_session(connection, user, address=OFFICE, device="office")
        if enrolled:
            await ensure_totp(connection, identity.vault, user.id, pyotp.random_base32())
        if stepped_up:
            await connection.execute("UPDATE user_sessions SET stepped_up_at = now() WHERE id = $1", login.session.id)
    return Person(str(user.id), user.email, login.token)


async def role_of(app: Litestar, person: Person) -> str:
    """Their role, as the database has it."""
    brokerage: Brokerage = app.state.brokerage
    async with brokerage.database.read() as connection:
        return str(await connection.fetchval("SELECT role FROM users WHERE id = $1", UserId(UUID(person.id))))
