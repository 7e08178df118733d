"""Logging in by a second factor, and making a session fresh."""

from typing import Any, TypeVar

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from bitcurrent.identity import schemas as identity_schemas
from bitcurrent.identity.factors import enrolment_routes, lost_routes, schemas
from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.factors.texts import CodeTexts
from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.identity.logged_in import logged_in
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Refusal
from bitcurrent.settings import Settings
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE

AnyRequest = Request[Any, Any, Any]
How = NamedDependency[Factors]
Texts = NamedDependency[CodeTexts]
Who = NamedDependency[Identity]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
T = TypeVar("T")

TAGS = ["second factors"]
ONCE = "A code or challenge works once, and no hash of one is kept."
ONLY_THE_LAST = "Only what was given out last counts."
ONLY_ASKS = "It opens a question and changes nothing."


@post(
    "/api/login/second-factor",
    summary="Complete a login with a second factor",
    tags=TAGS,
    operation_id="completeLogin",
    opt={REPEATABLE: ONCE},
    status_code=200,
)
async def complete_login(
    request: AnyRequest,
    data: JSONBody[schemas.CompleteLogin],
    factors: How,
    identity: Who,
    database: Where,
    addresses: Origin,
    settings: NamedDependency[Settings],
) -> Response[identity_schemas.LoggedIn]:
    """Five wrong codes within a quarter of an hour lock the factor. Takes no Idempotency-Key: it works once."""
    address = addresses.of(request.scope)
    proof = schemas.proof_of(data.method, data.code, data.credential)
    await factors.count_attempt(address)
    async with database.transaction() as connection:
        login = await factors.complete_login(
            connection, challenge=data.challenge, proof=proof, address=address, device=device_of(request)
        )
    return logged_in(or_raise(login), identity, settings)


@post(
    "/api/login/second-factor/text",
    summary="Get a code by text to complete a login",
    tags=TAGS,
    operation_id="sendLoginText",
    opt={REPEATABLE: ONLY_THE_LAST},
    status_code=204,
)
async def send_login_text(
    request: AnyRequest,
    data: JSONBody[schemas.ChallengeOnly],
    factors: How,
    code_texts: Texts,
    database: Where,
    addresses: Origin,
) -> None:
    """To the phone that belongs to the account. Takes no Idempotency-Key: only the last code counts."""
    address = addresses.of(request.scope)
    async with database.transaction() as connection:
        user_id = await factors.login_user(connection, data.challenge)
    await code_texts.prepare(user_id, address=address)
    await code_texts.send(user_id)


@post(
    "/api/login/passkey/options",
    summary="Begin to log in with a passkey",
    tags=TAGS,
    operation_id="beginPasskeyLogin",
    opt={REPEATABLE: ONLY_ASKS},
    status_code=200,
)
async def begin_passkey_login(
    request: AnyRequest, factors: How, database: Where, addresses: Origin
) -> schemas.PasskeyAsked:
    """No password and no name is needed: the passkey knows whose it is."""
    await factors.count_attempt(addresses.of(request.scope))
    async with database.transaction() as connection:
        asked = await factors.ask_for_passkey(connection)
    return schemas.PasskeyAsked(challenge=asked.token, expires_at=asked.expires_at, passkey=asked.passkey or {})


@post(
    "/api/login/passkey",
    summary="Log in with a passkey",
    tags=TAGS,
    operation_id="logInByPasskey",
    status_code=200,
    opt={REPEATABLE: ONCE},
)
async def log_in_by_passkey(
    request: AnyRequest,
    data: JSONBody[schemas.LogInByPasskey],
    factors: How,
    identity: Who,
    database: Where,
    addresses: Origin,
    settings: NamedDependency[Settings],
) -> Response[identity_schemas.LoggedIn]:
    """A passkey that checks a PIN or a finger is two factors in one. Takes no Idempotency-Key: it works once."""
    address = addresses.of(request.scope)
    await factors.count_attempt(address)
    async with database.transaction() as connection:
        login = await factors.complete_passkey_login(
            connection,
            challenge=data.challenge,
            credential=data.credential,
            address=address,
            device=device_of(request),
        )
    return logged_in(or_raise(login), identity, settings)


@post(
    "/api/step-up/options",
    summary="With what can this session be made fresh?",
    tags=TAGS,
    operation_id="beginStepUp",
    opt={REPEATABLE: ONLY_ASKS},
    guards=[requires_session],
    status_code=200,
)
async def begin_step_up(actor: CurrentActor, factors: How, database: Where) -> schemas.StepUpAsked:
    """The methods, and what a passkey is asked. Codes need no challenge."""
    async with database.transaction() as connection:
        return schemas.step_up_asked(await factors.ask_to_step_up(connection, actor))


@post(
    "/api/step-up",
    summary="Use a second factor now",
    tags=TAGS,
    operation_id="stepUp",
    opt={REPEATABLE: ONCE},
    guards=[requires_session],
    status_code=200,
)
async def step_up(
    request: AnyRequest,
    data: JSONBody[schemas.UseFactor],
    actor: CurrentActor,
    factors: How,
    database: Where,
    addresses: Origin,
) -> schemas.Fresh:
    """What matters most (API keys, changing factors, withdrawals) then works in this session for five minutes.

    A passkey needs the challenge of /api/step-up/options. Takes no Idempotency-Key: a code works once.
    """
    proof = schemas.proof_of(data.method, data.code, data.credential)
    async with database.transaction() as connection:
        fresh_until = await factors.step_up(
            connection, actor, proof, challenge=data.challenge, address=addresses.of(request.scope)
        )
    return schemas.Fresh(fresh_until=or_raise(fresh_until))


@post(
    "/api/step-up/text",
    summary="Get a code by text to make this session fresh",
    tags=TAGS,
    operation_id="sendStepUpText",
    opt={REPEATABLE: ONLY_THE_LAST},
    guards=[requires_session],
    status_code=204,
)
async def send_step_up_text(request: AnyRequest, actor: CurrentActor, code_texts: Texts, addresses: Origin) -> None:
    """To the phone that belongs to the account. Takes no Idempotency-Key: only the last code counts."""
    await code_texts.prepare(actor.user_id, address=addresses.of(request.scope))
    await code_texts.send(actor.user_id)


ROUTES = (
    complete_login,
    send_login_text,
    begin_passkey_login,
    log_in_by_passkey,
    begin_step_up,
    step_up,
    send_step_up_text,
    *enrolment_routes.ROUTES,
    *lost_routes.ROUTES,
)


def or_raise(outcome: T | Refusal) -> T:
    """What was done, after the commit; a refusal whose trace is stored by now is raised."""
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def device_of(request: AnyRequest) -> str:
    """What the browser says it is."""
    return request.headers.get("user-agent", "")
