"""Adding, showing and removing second factors. Every change needs one that was used within five minutes."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from bitcurrent.identity.factors import schemas
from bitcurrent.identity.factors.enrolment import Added, Enrolment
from bitcurrent.identity.factors.guards import requires_fresh_factor, requires_fresh_factor_if_any
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.factors.texts import CodeTexts
from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Refusal
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT

AnyRequest = Request[Any, Any, Any]
What = NamedDependency[Enrolment]
How = NamedDependency[Factors]
Texts = NamedDependency[CodeTexts]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["second factors"]
ONCE = "A code or challenge works once, and no hash of one is kept."
ONLY_THE_LAST = "Only what was given out last counts."
ONLY_ASKS = "It opens a question and changes nothing."
GONE = "A factor that is removed stays removed."


@get("/api/factors", summary="My second factors", tags=TAGS, operation_id="listFactors", guards=[requires_session])
async def list_factors(
    actor: CurrentActor,
    enrolment: What,
    factors: How,
    lost_factors: NamedDependency[LostFactors],
    database: Where,
) -> schemas.Factors:
    """What there is, what is locked, and whether this session is fresh."""
    assert actor.session_id is not None  # requires_session
    async with database.read() as connection:
        overview = await enrolment.overview(connection, actor.user_id)
        fresh_until = await factors.fresh_until(connection, actor.session_id)
        lost = await lost_factors.open_request(connection, actor.user_id)
    return schemas.factors(overview, fresh_until=fresh_until, lost=lost)


@post(
    "/api/factors/totp",
    summary="Add an authenticator app",
    tags=TAGS,
    operation_id="beginTotp",
    opt={REPEATABLE: ONLY_THE_LAST},
    guards=[requires_verified_email, requires_fresh_factor_if_any],
    status_code=200,
)
async def begin_totp(
    data: JSONBody[schemas.BeginFactor], actor: CurrentActor, enrolment: What, database: Where
) -> schemas.TotpBegun:
    """Scan the picture and confirm with a code; until then nothing changes. Asking again makes another secret."""
    await enrolment.permit(actor, data.password)
    async with database.transaction() as connection:
        return schemas.totp_begun(await enrolment.begin_totp(connection, actor))


@post(
    "/api/factors/totp/confirm",
    summary="Confirm the authenticator app with a code",
    tags=TAGS,
    operation_id="confirmTotp",
    opt={REPEATABLE: ONCE},
    guards=[requires_verified_email, requires_fresh_factor_if_any],
    status_code=200,
)
async def confirm_totp(
    request: AnyRequest,
    data: JSONBody[schemas.ConfirmCode],
    actor: CurrentActor,
    enrolment: What,
    database: Where,
    addresses: Origin,
) -> schemas.FactorAdded:
    """From now on a login asks for a code. Takes no Idempotency-Key: a second confirmation fails by itself."""
    async with database.transaction() as connection:
        added = await enrolment.confirm_totp(connection, actor, data.code, address=addresses.of(request.scope))
    return _added(added)


@delete(
    "/api/factors/totp",
    summary="Remove the authenticator app",
    tags=TAGS,
    operation_id="removeTotp",
    opt={REPEATABLE: GONE},
    guards=[requires_fresh_factor],
)
async def remove_totp(
    request: AnyRequest, actor: CurrentActor, enrolment: What, database: Where, addresses: Origin
) -> None:
    """With the last app or passkey, the phone and the recovery codes go too."""
    async with database.transaction() as connection:
        await enrolment.remove_totp(connection, actor, address=addresses.of(request.scope))


@post(
    "/api/factors/passkeys/options",
    summary="Begin to add a passkey",
    tags=TAGS,
    operation_id="beginPasskey",
    opt={REPEATABLE: ONLY_ASKS},
    guards=[requires_verified_email, requires_fresh_factor_if_any],
    status_code=200,
)
async def begin_passkey(
    data: JSONBody[schemas.BeginFactor], actor: CurrentActor, enrolment: What, database: Where
) -> schemas.PasskeyAsked:
    """What the browser makes a passkey from."""
    await enrolment.permit(actor, data.password)
    async with database.transaction() as connection:
        begun, options = await enrolment.begin_passkey(connection, actor)
    return schemas.PasskeyAsked(challenge=begun.token, expires_at=begun.challenge.expires_at, passkey=options)


@post(
    "/api/factors/passkeys",
    summary="Add the passkey",
    tags=TAGS,
    operation_id="addPasskey",
    opt={REPEATABLE: ONCE},
    guards=[requires_verified_email, requires_fresh_factor_if_any],
    status_code=201,
)
async def add_passkey(
    request: AnyRequest,
    data: JSONBody[schemas.AddPasskey],
    actor: CurrentActor,
    enrolment: What,
    database: Where,
    addresses: Origin,
) -> schemas.PasskeyAdded:
    """What the browser made of the options. Takes no Idempotency-Key: the challenge works once."""
    async with database.transaction() as connection:
        made, added = await enrolment.add_passkey(
            connection,
            actor,
            challenge=data.challenge,
            label=data.label,
            credential=data.credential,
            address=addresses.of(request.scope),
        )
    return schemas.PasskeyAdded(passkey=schemas.passkey(made), recovery_codes=_codes(added))


@delete(
    "/api/factors/passkeys/{passkey_id:uuid}",
    summary="Remove a passkey",
    tags=TAGS,
    operation_id="removePasskey",
    opt={REPEATABLE: GONE},
    guards=[requires_fresh_factor],
)
async def remove_passkey(
    request: AnyRequest,
    passkey_id: FromPath[UUID],
    actor: CurrentActor,
    enrolment: What,
    database: Where,
    addresses: Origin,
) -> None:
    """With the last app or passkey, the phone and the recovery codes go too."""
    async with database.transaction() as connection:
        await enrolment.remove_passkey(connection, actor, passkey_id, address=addresses.of(request.scope))


@post(
    "/api/factors/phone",
    summary="Add a phone for codes by text",
    tags=TAGS,
    operation_id="beginPhone",
    opt={REPEATABLE: ONLY_THE_LAST},
    guards=[requires_fresh_factor],
    status_code=204,
)
async def begin_phone(
    request: AnyRequest,
    data: JSONBody[schemas.AddPhone],
    actor: CurrentActor,
    enrolment: What,
    code_texts: Texts,
    database: Where,
    addresses: Origin,
) -> None:
    """Sends a code; an extra only, next to an app or a passkey.

    Takes no Idempotency-Key: only the last code counts, and no hash of a phone number is kept.
    """
    await code_texts.prepare(actor.user_id, address=addresses.of(request.scope))
    async with database.transaction() as connection:
        await enrolment.begin_sms(connection, actor, data.phone)
    await code_texts.send(actor.user_id, unconfirmed=True)


@post(
    "/api/factors/phone/confirm",
    summary="Confirm the phone with the code it got",
    tags=TAGS,
    operation_id="confirmPhone",
    opt={REPEATABLE: ONCE},
    guards=[requires_fresh_factor],
    status_code=200,
)
async def confirm_phone(
    request: AnyRequest,
    data: JSONBody[schemas.ConfirmCode],
    actor: CurrentActor,
    enrolment: What,
    database: Where,
    addresses: Origin,
) -> schemas.FactorAdded:
    """Three tries for each code. Takes no Idempotency-Key: a second confirmation fails by itself."""
    async with database.transaction() as connection:
        added = await enrolment.confirm_sms(connection, actor, data.code, address=addresses.of(request.scope))
    return _added(added)


@delete(
    "/api/factors/phone",
    summary="Remove the phone",
    tags=TAGS,
    operation_id="removePhone",
    opt={REPEATABLE: GONE},
    guards=[requires_fresh_factor],
)
async def remove_phone(
    request: AnyRequest, actor: CurrentActor, enrolment: What, database: Where, addresses: Origin
) -> None:
    """No more codes by text."""
    async with database.transaction() as connection:
        await enrolment.remove_sms(connection, actor, address=addresses.of(request.scope))


@post(
    "/api/factors/recovery-codes",
    summary="Ten new recovery codes",
    tags=TAGS,
    operation_id="renewRecoveryCodes",
    guards=[requires_fresh_factor],
    opt={IDEMPOTENT: True},
)
async def renew_recovery_codes(
    request: AnyRequest, actor: CurrentActor, enrolment: What, database: Where, addresses: Origin
) -> Response[schemas.RecoveryCodes]:
    """Each works once, instead of any other factor. The old ones are gone."""

    async def effect(connection: Connection) -> schemas.RecoveryCodes:
        fresh = await enrolment.renew_recovery_codes(connection, actor, address=addresses.of(request.scope))
        return schemas.RecoveryCodes(recovery_codes=list(fresh))

    # What is remembered for a replay lacks the codes: they are stored nowhere but as hashes.
    return await answer_once(request, database, actor.user_id, effect, status=201, remember=_without_codes)


ROUTES = (
    list_factors,
    begin_totp,
    confirm_totp,
    remove_totp,
    begin_passkey,
    add_passkey,
    remove_passkey,
    begin_phone,
    confirm_phone,
    remove_phone,
    renew_recovery_codes,
)


def _added(outcome: Added | Refusal) -> schemas.FactorAdded:
    if isinstance(outcome, Refusal):
        raise outcome
    return schemas.FactorAdded(recovery_codes=_codes(outcome))


def _codes(added: Added) -> list[str] | None:
    return list(added.recovery_codes) if added.recovery_codes else None


def _without_codes(made: schemas.RecoveryCodes) -> schemas.RecoveryCodes:
    return msgspec.structs.replace(made, recovery_codes=None)
