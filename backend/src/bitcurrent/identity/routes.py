"""Identity over HTTP."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from bitcurrent.identity import key_routes, schemas
from bitcurrent.identity.factors.schemas import SecondFactorNeeded, second_factor_needed
from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.guards import CurrentActor, requires_actor, requires_session
from bitcurrent.identity.logged_in import cookie_of, logged_in
from bitcurrent.identity.service import Identity
from bitcurrent.identity.verified import is_verified
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.kernel.ids import SessionId
from bitcurrent.settings import Settings
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Limit, page_of, read_cursor
from bitcurrent.web.schemas import Page

AnyRequest = Request[Any, Any, Any]
Who = NamedDependency[Identity]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["identity"]


@post(
    "/api/login",
    summary="Log in",
    tags=TAGS,
    operation_id="logIn",
    status_code=200,
    opt={REPEATABLE: "A second one opens one session more; no hash of a body with a password is kept."},
)
async def log_in(
    request: AnyRequest,
    data: JSONBody[schemas.LogIn],
    identity: Who,
    database: Where,
    addresses: Origin,
    settings: NamedDependency[Settings],
    factors: NamedDependency[Factors],
) -> Response[schemas.LoggedIn | SecondFactorNeeded]:
    """Sets an httpOnly cookie; the token in the answer is for programs.

    An account with a second factor gets no session yet, but a challenge for POST /api/login/second-factor.
    """
    address = addresses.of(request.scope)
    user = await identity.check_login(email=data.email, password=data.password, address=address)
    async with database.transaction() as connection:
        asked = await factors.ask_at_login(connection, user)
        if asked is not None:
            return Response(second_factor_needed(asked), status_code=200)
        login = await identity.open_session(connection, user, address=address, device=_device(request))
    opened: Response[Any] = logged_in(login, identity, settings)
    return opened


@post(
    "/api/logout",
    summary="Log out",
    tags=TAGS,
    operation_id="logOut",
    guards=[requires_session],
    status_code=204,
    opt={REPEATABLE: "A session that has ended stays ended."},
)
async def log_out(
    request: AnyRequest,
    actor: CurrentActor,
    identity: Who,
    database: Where,
    addresses: Origin,
    settings: NamedDependency[Settings],
) -> Response[None]:
    """End this session, everywhere and at once."""
    assert actor.session_id is not None  # requires_session
    async with database.transaction() as connection:
        ended = await identity.end_session(connection, actor, actor.session_id, address=addresses.of(request.scope))
    await identity.announce(sessions=ended)
    over = [cookie_of(identity, settings, "", 0), identity.csrf.cookie("", 0)]
    return Response(None, status_code=204, cookies=over)


@get("/api/me", summary="Who am I?", tags=TAGS, operation_id="me", guards=[requires_actor])
async def me(actor: CurrentActor, identity: Who, database: Where) -> schemas.Me:
    """Whoever asks, and what they may do."""
    async with database.read() as connection:
        user = await identity.user(connection, actor.user_id)
        email_verified = await is_verified(connection, actor.user_id)
    return schemas.Me(
        user=schemas.user(user),
        email_verified=email_verified,
        scopes=sorted(actor.scopes),
        session_id=actor.session_id,
        api_key_id=actor.key_id,
    )


@get(
    "/api/csrf",
    summary="The token for writes by cookie",
    tags=TAGS,
    operation_id="csrfToken",
    guards=[requires_session],
)
async def csrf_token(request: AnyRequest, actor: CurrentActor, identity: Who) -> schemas.CsrfToken:
    """For pages that lost it: the value of X-CSRF-Token that belongs to the session cookie of this request."""
    session_token = identity.csrf.session_token_in(dict(request.scope["headers"]))
    if session_token is None:
        raise NotFound("This request has no session cookie, so its writes need no CSRF token.")
    return schemas.CsrfToken(csrf_token=identity.csrf.token_for(session_token))


@get("/api/sessions", summary="My sessions", tags=TAGS, operation_id="listSessions", guards=[requires_session])
async def list_sessions(
    actor: CurrentActor, identity: Who, database: Where, limit: Limit = LIMIT_DEFAULT, cursor: CursorText = None
) -> Page[schemas.Session]:
    """Open sessions, newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        rows = await identity.sessions(connection, actor, before=before, limit=limit + 1)
    return page_of(rows, limit, item=lambda row: schemas.session(row, actor.session_id), key=lambda row: row.id)


@delete(
    "/api/sessions/{session_id:uuid}",
    summary="End one of my sessions",
    tags=TAGS,
    operation_id="endSession",
    guards=[requires_session],
    opt={REPEATABLE: "A session that has ended stays ended."},
)
async def end_session(
    request: AnyRequest,
    session_id: FromPath[UUID],
    actor: CurrentActor,
    identity: Who,
    database: Where,
    addresses: Origin,
) -> None:
    """404 when there is no such open session of yours."""
    async with database.transaction() as connection:
        ended = await identity.end_session(
            connection, actor, SessionId(session_id), address=addresses.of(request.scope)
        )
    if not ended:
        raise NotFound("You have no open session with this id.")
    await identity.announce(sessions=ended)


@delete(
    "/api/sessions",
    summary="End my other sessions",
    tags=TAGS,
    operation_id="endOtherSessions",
    guards=[requires_session],
    status_code=200,
    opt={REPEATABLE: "A session that has ended stays ended."},
)
async def end_other_sessions(
    request: AnyRequest, actor: CurrentActor, identity: Who, database: Where, addresses: Origin
) -> schemas.Ended:
    """All but the one that asks."""
    async with database.transaction() as connection:
        ended = await identity.end_other_sessions(connection, actor, address=addresses.of(request.scope))
    await identity.announce(sessions=ended)
    return schemas.Ended(sessions=len(ended))


ROUTES = (
    log_in,
    log_out,
    me,
    csrf_token,
    list_sessions,
    end_session,
    end_other_sessions,
    *key_routes.ROUTES,
)


def _device(request: AnyRequest) -> str:
    return request.headers.get("user-agent", "")
