"""Accounts over HTTP: registering, confirming, recovering, changing, closing.

None takes an Idempotency-Key; each says why.
"""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from bitcurrent.identity.accounts import pages, schemas
from bitcurrent.identity.accounts.service import Accounts, same_time
from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.identity.schemas import Ended
from bitcurrent.kernel.database import Database
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE

AnyRequest = Request[Any, Any, Any]
Keeper = NamedDependency[Accounts]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["identity"]
_ONE_LETTER = "Repeating it replaces the link that is in the mail; letters to one mailbox are counted."
_ONCE = "A link works once."
_SECOND_FAILS = "A second one fails by itself, and no hash of a body with a password is kept."


@post(
    "/api/register",
    summary="Open an account",
    tags=TAGS,
    operation_id="register",
    status_code=202,
    opt={REPEATABLE: _ONE_LETTER},
)
async def register(
    request: AnyRequest, data: JSONBody[schemas.Register], accounts: Keeper, database: Where, addresses: Origin
) -> schemas.Registered:
    """A link to confirm the address comes by mail; log in with the password meanwhile. Trading waits for the link.

    The answer is the same where there is an account already: then its owner is told.
    """
    address = addresses.of(request.scope)
    wish, asked = await accounts.prepare_registration(
        email=data.email, display_name=data.display_name, password=data.password, address=address
    )
    async with database.transaction() as connection:
        await accounts.register(connection, wish, asked, address=address)
    return schemas.Registered(email=wish.email)


@post(
    "/api/email/verify",
    summary="Confirm an address",
    tags=TAGS,
    operation_id="verifyEmail",
    status_code=200,
    opt={REPEATABLE: _ONCE},
)
async def verify_email(
    request: AnyRequest, data: JSONBody[schemas.Token], accounts: Keeper, database: Where, addresses: Origin
) -> schemas.Done:
    """The link of the registration."""
    async with database.transaction() as connection:
        await accounts.verify_email(connection, data.token, address=addresses.of(request.scope))
    return schemas.Done()


@post(
    "/api/email/verification",
    summary="Send the link again",
    tags=TAGS,
    operation_id="sendVerification",
    guards=[requires_session],
    status_code=202,
    opt={REPEATABLE: _ONE_LETTER},
)
async def send_verification(actor: CurrentActor, accounts: Keeper, database: Where) -> schemas.Accepted:
    """A new link to confirm your address; older ones stop working. 409 when it is confirmed already."""
    await accounts.prepare_verification(actor)
    async with database.transaction() as connection:
        await accounts.send_verification(connection, actor)
    return schemas.Accepted()


@post(
    "/api/email",
    summary="Change the e-mail address",
    tags=TAGS,
    operation_id="changeEmail",
    guards=[requires_session],
    status_code=202,
    opt={REPEATABLE: _ONE_LETTER},
)
async def change_email(
    request: AnyRequest,
    data: JSONBody[schemas.ChangeEmail],
    actor: CurrentActor,
    accounts: Keeper,
    database: Where,
    addresses: Origin,
) -> schemas.Accepted:
    """The new address gets a link and counts once that is used; the old one is told now and then."""
    asked = await accounts.prepare_email_change(actor, new_email=data.new_email, password=data.password)
    async with database.transaction() as connection:
        await accounts.ask_email_change(connection, actor, asked, address=addresses.of(request.scope))
    return schemas.Accepted()


@post(
    "/api/email/confirm",
    summary="Confirm a new address",
    tags=TAGS,
    operation_id="confirmEmail",
    status_code=200,
    opt={REPEATABLE: _ONCE},
)
async def confirm_email(
    request: AnyRequest, data: JSONBody[schemas.Token], accounts: Keeper, database: Where, addresses: Origin
) -> schemas.Done:
    """The link that went to the new address."""
    async with database.transaction() as connection:
        await accounts.confirm_email(connection, data.token, address=addresses.of(request.scope))
    return schemas.Done()


@post(
    "/api/email/undo",
    summary="Take an address back",
    tags=TAGS,
    operation_id="undoEmail",
    status_code=200,
    opt={REPEATABLE: _ONCE},
)
async def undo_email(
    request: AnyRequest, data: JSONBody[schemas.Token], accounts: Keeper, database: Where, addresses: Origin
) -> schemas.Done:
    """The link that went to the old address: it is back, sessions and API keys end, a link for a password follows."""
    async with database.transaction() as connection:
        ended = await accounts.undo_email(connection, data.token, address=addresses.of(request.scope))
    await accounts.announce(ended)
    return schemas.Done()


@post(
    "/api/password-reset",
    summary="Ask for a new password",
    tags=TAGS,
    operation_id="askPasswordReset",
    status_code=202,
    opt={REPEATABLE: _ONE_LETTER},
)
async def ask_reset(
    request: AnyRequest, data: JSONBody[schemas.AskReset], accounts: Keeper, database: Where, addresses: Origin
) -> schemas.Accepted:
    """If there is such an account, a link is in its mail. The answer and its time are the same in every case."""
    address = addresses.of(request.scope)
    async with same_time():
        asked = await accounts.prepare_reset_request(email=data.email, address=address)
        if asked is not None:
            async with database.transaction() as connection:
                await accounts.ask_reset(connection, asked, address=address)
    return schemas.Accepted()


@post(
    "/api/password-reset/confirm",
    summary="Set a new password by a link",
    tags=TAGS,
    operation_id="resetPassword",
    status_code=200,
    opt={REPEATABLE: _ONCE},
)
async def reset_password(
    request: AnyRequest, data: JSONBody[schemas.ResetPassword], accounts: Keeper, database: Where, addresses: Origin
) -> Ended:
    """Every session ends; API keys stay. Log in with the new password (and your second factor, if you have one)."""
    address = addresses.of(request.scope)
    password = await accounts.prepare_reset(token=data.token, password=data.new_password, address=address)
    async with database.transaction() as connection:
        ended = await accounts.reset_password(connection, data.token, password, address=address)
    await accounts.announce(ended)
    return Ended(sessions=len(ended.sessions))


@post(
    "/api/password",
    summary="Change the password",
    tags=TAGS,
    operation_id="changePassword",
    guards=[requires_session],
    status_code=200,
    opt={REPEATABLE: _SECOND_FAILS},
)
async def change_password(
    request: AnyRequest,
    data: JSONBody[schemas.ChangePassword],
    actor: CurrentActor,
    accounts: Keeper,
    database: Where,
    addresses: Origin,
) -> Ended:
    """Every other session ends; API keys stay. You are told by mail."""
    old_hash, new_hash = await accounts.prepare_password_change(
        actor, current=data.current_password, new=data.new_password
    )
    async with database.transaction() as connection:
        ended = await accounts.change_password(
            connection, actor, old_hash=old_hash, new_hash=new_hash, address=addresses.of(request.scope)
        )
    await accounts.announce(ended)
    return Ended(sessions=len(ended.sessions))


@post(
    "/api/account/close",
    summary="Close my account",
    tags=TAGS,
    operation_id="closeAccount",
    guards=[requires_session],
    status_code=200,
    opt={REPEATABLE: _SECOND_FAILS},
)
async def close_account(
    request: AnyRequest,
    data: JSONBody[schemas.CloseAccount],
    actor: CurrentActor,
    accounts: Keeper,
    database: Where,
    addresses: Origin,
) -> Ended:
    """Ends all sessions and keys. 409 `account_not_empty` names what is still in the account."""
    await accounts.prepare_closing(actor, data.password)
    async with database.transaction() as connection:
        ended = await accounts.close(connection, actor, address=addresses.of(request.scope))
    await accounts.announce(ended)
    return Ended(sessions=len(ended.sessions))


@get("/account/link", include_in_schema=False)
async def link_page() -> Response[bytes]:
    """Where the links in mails lead: asks before it does anything, as mail scanners open links."""
    return pages.answer("link.html", "text/html")


@get("/account/link.js", include_in_schema=False)
async def link_script() -> Response[bytes]:
    """Its script."""
    return pages.answer("link.js", "text/javascript")


@get("/account/link.css", include_in_schema=False)
async def link_style() -> Response[bytes]:
    """Its style."""
    return pages.answer("link.css", "text/css")


ROUTES = (
    register,
    verify_email,
    send_verification,
    change_email,
    confirm_email,
    undo_email,
    ask_reset,
    reset_password,
    change_password,
    close_account,
    link_page,
    link_script,
    link_style,
)
