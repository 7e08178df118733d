"""/api/kyc: a customer is verified. Only people in a session: no API key says who somebody is."""

from typing import Annotated, Any, get_args
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException
from litestar.params import FromPath, JSONBody, QueryParameter
from prometheus_client import Counter

from bitcurrent.compliance.kyc import model, schemas
from bitcurrent.compliance.kyc.asking import Asking
from bitcurrent.compliance.kyc.ports import ForgedIdentityEvent, StaleIdentityEvent
from bitcurrent.compliance.kyc.service import Kyc
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.products import PRODUCTS
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Unproven
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import BODY_BYTES, RATE, REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT, TAKES_FILES
from bitcurrent.web.problems import BodyTooLarge

TAGS = ["Verification"]
AnyRequest = Request[Any, Any, Any]
Verifier = NamedDependency[Kyc]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
PurposeQuery = Annotated[model.Purpose, QueryParameter(name="purpose", description="What the document is for.")]
WEBHOOK_BYTES_MAX = 65_536
REFUSED = Counter("bitcurrent_identity_events_refused", "Webhooks of the identity provider not proven.", ("why",))


@get(
    "/api/kyc",
    operation_id="readVerification",
    summary="How far you are verified, and what is missing",
    tags=TAGS,
    guards=[requires_session],
)
async def read_verification(
    actor: CurrentActor, kyc: Verifier, limits: NamedDependency[Limits], database: Where
) -> schemas.Verification:
    """Your level, the limits of each level, what the next one needs, and what you have sent in so far."""
    async with database.read() as connection:
        standing = await kyc.standing(connection, actor.user_id)
        levels = [
            schemas.LevelAnswer(
                level=level,
                reached=model.is_at_least(standing.level, level),
                documents=[] if level == "none" else _wanted(level),
                missing=[] if level == "none" else list(standing.missing.get(level, ())),
                limits=[
                    schemas.limit_answer(rule)
                    for product in PRODUCTS
                    for rule in await limits.of_level(connection, product=product, level=level, user_id=actor.user_id)
                ],
            )
            for level in model.LEVELS
        ]
    return schemas.Verification(
        level=standing.level,
        levels=levels,
        submissions=[schemas.submission_answer(each, standing.documents[each.id]) for each in standing.submissions],
        attempts_left=standing.attempts_left,
        rule_version=model.CURRENT.version,
    )


@post(
    "/api/kyc/submissions",
    operation_id="beginSubmission",
    summary="Begin to be verified",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    opt={IDEMPOTENT: True},
    status_code=201,
)
async def begin_submission(
    request: AnyRequest,
    data: JSONBody[schemas.BeginSubmission],
    actor: CurrentActor,
    kyc: Verifier,
    database: Where,
    addresses: Origin,
) -> Response[schemas.SubmissionAnswer]:
    """A draft: send the documents that its level asks for, then submit it. After `needs_more` begin a new one."""
    declaration = model.checked_declaration(data.nationality, data.tax_residences)

    async def effect(connection: Connection) -> schemas.SubmissionAnswer:
        begun = await kyc.begin(connection, actor.user_id, data.level, declaration, address=addresses.of(request.scope))
        return schemas.submission_answer(begun, await kyc.documents(connection, begun.id))

    return await answer_once(request, database, actor.user_id, effect, status=201)


@get(
    "/api/kyc/submissions/{submission_id:uuid}",
    operation_id="readSubmission",
    summary="One of your submissions",
    tags=TAGS,
    guards=[requires_session],
)
async def read_submission(
    submission_id: FromPath[UUID], actor: CurrentActor, kyc: Verifier, database: Where
) -> schemas.SubmissionAnswer:
    """With its documents, and why it was not accepted, in words."""
    async with database.read() as connection:
        found = await kyc.read(connection, actor.user_id, submission_id)
        return schemas.submission_answer(found, await kyc.documents(connection, found.id))


@post(
    "/api/kyc/submissions/{submission_id:uuid}/submit",
    operation_id="submitSubmission",
    summary="Hand a submission in",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def submit_submission(
    request: AnyRequest,
    submission_id: FromPath[UUID],
    actor: CurrentActor,
    kyc: Verifier,
    database: Where,
    addresses: Origin,
) -> Response[schemas.SubmissionAnswer]:
    """It is checked from now on, with your profile as it is at this moment; you get a letter when it is decided."""

    async def effect(connection: Connection) -> schemas.SubmissionAnswer:
        done = await kyc.submit(connection, actor.user_id, submission_id, address=addresses.of(request.scope))
        return schemas.submission_answer(done, await kyc.documents(connection, done.id))

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/kyc/documents",
    operation_id="addDocument",
    summary="Send a document",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    request_max_body_size=model.DOCUMENT_BYTES_MAX,
    opt={
        IDEMPOTENT: True,
        BODY_BYTES: model.DOCUMENT_BYTES_MAX,
        RATE: "upload",
        TAKES_FILES: ("application/octet-stream", *get_args(model.MediaType)),
    },
    status_code=201,
)
async def add_document(
    request: AnyRequest,
    purpose: PurposeQuery,
    actor: CurrentActor,
    kyc: Verifier,
    database: Where,
    addresses: Origin,
) -> Response[schemas.DocumentAnswer]:
    """The body is the file itself: a JPEG or PNG picture or a PDF of at most 10 MB, as its content says.

    It is made anew without anything that is not seen (places, names of cameras, scripts), and kept encrypted.
    """
    try:
        body = await request.body()
    except ClientException as error:
        raise BodyTooLarge(model.DOCUMENT_BYTES_MAX) if error.status_code == 413 else error from None
    async with database.read() as connection:
        await kyc.check_may_add(connection, actor.user_id)
    file = await kyc.laundry.clean(body)

    async def effect(connection: Connection) -> schemas.DocumentAnswer:
        kept = await kyc.add_document(connection, actor.user_id, purpose, file, address=addresses.of(request.scope))
        return schemas.document_answer(kept)

    return await answer_once(request, database, actor.user_id, effect, status=201)


@delete(
    "/api/kyc/documents/{document_id:uuid}",
    operation_id="removeDocument",
    summary="Take a document out of your draft",
    tags=TAGS,
    guards=[requires_session, requires_scope("trade")],
    opt={IDEMPOTENT: True},
    status_code=204,
)
async def remove_document(
    request: AnyRequest,
    document_id: FromPath[UUID],
    actor: CurrentActor,
    kyc: Verifier,
    database: Where,
    addresses: Origin,
) -> Response[None]:
    """Only while it is a draft: what was handed in stays together."""

    async def effect(connection: Connection) -> None:
        await kyc.remove_document(connection, actor.user_id, document_id, address=addresses.of(request.scope))

    return await answer_once(request, database, actor.user_id, effect, status=204)


@post(
    "/api/webhooks/identity",
    operation_id="takeIdentityEvent",
    summary="The identity provider's webhook",
    tags=TAGS,
    status_code=200,
    request_max_body_size=WEBHOOK_BYTES_MAX,
    opt={RATE: "webhook", BODY_BYTES: WEBHOOK_BYTES_MAX, REPEATABLE: "An event is kept once, by its own id."},
)
async def take_identity_event(
    request: AnyRequest, identity_asking: NamedDependency[Asking], database: Where
) -> schemas.IdentityEventTaken:
    """Signed by the provider (`X-Idcheck-Signature`), at most five minutes ago. The answer means that it is kept.

    It says that there is something to look up; what was decided, the provider is asked.
    """
    body = await request.body()
    try:
        event = identity_asking.provider.verified_event(
            body=body, signature=request.headers.get("x-idcheck-signature", ""), now=now()
        )
    except ForgedIdentityEvent:
        REFUSED.labels("forged").inc()
        raise Unproven("The signature does not fit. Nothing was done.") from None
    except StaleIdentityEvent:
        REFUSED.labels("stale").inc()
        raise Unproven("The signature is too old, or from the future. Nothing was done.") from None

    async def take(connection: Connection) -> None:
        await identity_asking.hint(connection, event)

    await database.in_transaction(take)
    return schemas.IdentityEventTaken()


def _wanted(level: model.AskedLevel) -> list[model.Purpose]:
    return [purpose for purpose in model.PURPOSES if purpose in model.CURRENT.documents[level]]


ROUTES = (
    read_verification,
    begin_submission,
    read_submission,
    submit_submission,
    add_document,
    remove_document,
    take_identity_event,
)
