"""/api/admin/kyc: the queue of submissions, one with all that it says, decisions, and documents by links."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter

from bitcurrent.backoffice import kyc_schemas as schemas
from bitcurrent.backoffice.schemas import approval_answer
from bitcurrent.compliance.kyc.deciding import Reviews
from bitcurrent.compliance.kyc.lasting import Lasting
from bitcurrent.compliance.kyc.links import DocumentLinks
from bitcurrent.compliance.kyc.model import AskedLevel, MediaType, Submission, SubmissionFilter, SubmissionState
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import GIVES_FILES, IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
REVIEW = requires_permission("compliance.review")
AnyRequest = Request[Any, Any, Any]
Desk = NamedDependency[Reviews]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
States = Annotated[
    list[SubmissionState] | None, QueryParameter(name="state", description="Only these; may be repeated.")
]
FlaggedFilter = Annotated[
    bool | None, QueryParameter(name="flagged", description="Only those that made us wonder, or only others.")
]
LevelFilter = Annotated[AskedLevel | None, QueryParameter(name="level", description="Only this one.")]
Token = Annotated[str, PathParameter(max_length=100, description="From the link.")]
ENDINGS: dict[MediaType, str] = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}


@get(
    "/api/admin/kyc",
    operation_id="listKycSubmissions",
    summary="Submissions to be verified",
    tags=TAGS,
    guards=[REVIEW],
)
async def list_submissions(
    kyc_reviews: Desk,
    database: Where,
    states: States = None,
    level: LevelFilter = None,
    flagged: FlaggedFilter = None,
    user_id: FromQuery[UUID | None] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.OperatorsSubmission] | dict[str, Any]:
    """Oldest first. With `state=submitted&state=checking` the queue."""
    which = SubmissionFilter(
        states=states,
        level=level,
        flagged=flagged,
        user_id=user_id,
        after=read_cursor(cursor, tuple[datetime, UUID]),
        limit=limit + 1,
    )
    async with database.read() as connection:
        found = await kyc_reviews.search(connection, which)
    page = page_of(found, limit, item=schemas.submission_answer, key=lambda one: (one.submitted_at, one.id))
    return choose_fields(page, fields, schemas.OperatorsSubmission)


@get(
    "/api/admin/kyc/{submission_id:uuid}",
    operation_id="readKycSubmission",
    summary="One submission with all that it says of the person",
    tags=TAGS,
    guards=[REVIEW, requires_fresh_factor],
)
async def read_submission(
    request: AnyRequest,
    submission_id: FromPath[UUID],
    actor: CurrentActor,
    kyc_reviews: Desk,
    database: Where,
    addresses: Origin,
) -> schemas.WholeSubmission:
    """Reading it is written down."""
    async with database.transaction() as connection:
        found, claims, documents = await kyc_reviews.look(
            connection, actor, submission_id, address=addresses.of(request.scope)
        )
    return schemas.whole_answer(found, claims, documents)


@post(
    "/api/admin/kyc/{submission_id:uuid}/approve",
    operation_id="approveKycSubmission",
    summary="Approve a submission",
    tags=TAGS,
    guards=[REVIEW, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def approve_submission(
    request: AnyRequest,
    submission_id: FromPath[UUID],
    data: JSONBody[schemas.ApproveSubmission],
    actor: CurrentActor,
    kyc_reviews: Desk,
    approvals: NamedDependency[Approvals],
    database: Where,
    addresses: Origin,
) -> Response[schemas.Decision]:
    """The customer's level is set at once. A flagged one for `full` waits for another person's approval instead."""

    async def effect(connection: Connection) -> schemas.Decision:
        done = await kyc_reviews.approve(
            connection, actor, submission_id, reason=data.reason, address=addresses.of(request.scope)
        )
        if isinstance(done, Submission):
            return schemas.Decision(submission=schemas.submission_answer(done), approval=None)
        waiting = await kyc_reviews.read(connection, submission_id)
        return schemas.Decision(
            submission=schemas.submission_answer(waiting), approval=approval_answer(done, actor, approvals.kinds)
        )

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/kyc/{submission_id:uuid}/refuse",
    operation_id="refuseKycSubmission",
    summary="Reject a submission, or ask for more",
    tags=TAGS,
    guards=[REVIEW, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def refuse_submission(
    request: AnyRequest,
    submission_id: FromPath[UUID],
    data: JSONBody[schemas.RefuseSubmission],
    actor: CurrentActor,
    kyc_reviews: Desk,
    database: Where,
    addresses: Origin,
) -> Response[schemas.OperatorsSubmission]:
    """The customer gets a letter with the reasons in plain words."""

    async def effect(connection: Connection) -> schemas.OperatorsSubmission:
        done = await kyc_reviews.refuse(
            connection, actor, submission_id, data.outcome, data.reasons, address=addresses.of(request.scope)
        )
        return schemas.submission_answer(done)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/customers/{user_id:uuid}/recheck",
    operation_id="askKycRecheck",
    summary="Ask a customer to verify again",
    tags=TAGS,
    guards=[REVIEW, requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def ask_recheck(
    request: AnyRequest,
    user_id: FromPath[UUID],
    data: JSONBody[schemas.AskRecheck],
    actor: CurrentActor,
    kyc_lasting: NamedDependency[Lasting],
    database: Where,
    addresses: Origin,
) -> Response[schemas.OperatorsSubmission]:
    """What holds now ends in 30 days, unless a new submission takes its place before."""

    async def effect(connection: Connection) -> schemas.OperatorsSubmission:
        shortened = await kyc_lasting.recheck(
            connection, actor, UserId(user_id), reason=data.reason, address=addresses.of(request.scope)
        )
        return schemas.submission_answer(shortened)

    return await answer_once(request, database, actor.user_id, effect)


@post(
    "/api/admin/kyc/documents/{document_id:uuid}/links",
    operation_id="makeDocumentLink",
    summary="Make a link to a document",
    tags=TAGS,
    guards=[REVIEW, requires_fresh_factor],
    opt={REPEATABLE: "Each is a link of its own that ends by itself; its token is kept nowhere, not even here."},
    status_code=201,
)
async def make_link(
    request: AnyRequest,
    document_id: FromPath[UUID],
    actor: CurrentActor,
    kyc_links: NamedDependency[DocumentLinks],
    database: Where,
    addresses: Origin,
) -> schemas.DocumentLink:
    """It works once, for a minute, for you. That you asked for it, and that you looked, is written down."""

    async def effect(connection: Connection) -> schemas.DocumentLink:
        link = await kyc_links.make(connection, actor, document_id, address=addresses.of(request.scope))
        return schemas.DocumentLink(url=f"/api/admin/kyc/document-links/{link.token}", expires_at=link.expires_at)

    return await database.in_transaction(effect)


@get(
    "/api/admin/kyc/document-links/{link_token:str}",
    operation_id="openDocumentLink",
    summary="See a document, once",
    tags=TAGS,
    guards=[REVIEW],
    media_type="application/octet-stream",
    opt={"exclude_from_compression": True, GIVES_FILES: tuple(ENDINGS)},
)
async def open_link(
    request: AnyRequest,
    link_token: Token,
    actor: CurrentActor,
    kyc_links: NamedDependency[DocumentLinks],
    database: Where,
    addresses: Origin,
) -> Response[bytes]:
    """The document as it is kept. No page may run anything of it, and nobody keeps a copy on the way."""
    async with database.transaction() as connection:
        document, content = await kyc_links.open(connection, actor, link_token, address=addresses.of(request.scope))
    how = "attachment" if document.media_type == "application/pdf" else "inline"
    name = f"{document.purpose}-{document.id}.{ENDINGS[document.media_type]}"
    headers = {
        "Content-Disposition": f'{how}; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=document.media_type, headers=headers)


ROUTES = (
    list_submissions,
    read_submission,
    approve_submission,
    refuse_submission,
    ask_recheck,
    make_link,
    open_link,
)
