"""/api/conduct: what has to be read, said and understood before money goes in."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from bitcurrent.compliance.conduct import schemas
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.idempotency import REPLAYED, do_once, intent_of
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import Fields, choose_fields

AnyRequest = Request[Any, Any, Any]
Rules = NamedDependency[Conduct]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]

TAGS = ["Conduct"]
# People only: nobody's program reads a warning.
STEPS = [requires_session, requires_scope("trade")]
DEVICE_LENGTH_MAX: Final = 300


class _Kept(msgspec.Struct, frozen=True):
    """What is kept under an Idempotency-Key: what came of it. The rest, which names the customer, is read anew."""

    outcome: str


@get(
    "/api/conduct",
    operation_id="readConduct",
    summary="What is asked of you next, and why",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_conduct(
    actor: CurrentActor, conduct: Rules, database: Where, fields: Fields = None
) -> schemas.ConductAnswer | dict[str, Any]:
    """By the rules of the country in your profile. Waits are counted by our clock; selling is always open."""
    return choose_fields(await _answer(conduct, database, actor.user_id), fields, schemas.ConductAnswer)


@post(
    "/api/conduct/texts",
    operation_id="answerConductText",
    summary="Go on from a text, or leave",
    tags=TAGS,
    guards=STEPS,
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def answer_text(
    request: AnyRequest,
    data: JSONBody[schemas.AnswerText],
    actor: CurrentActor,
    conduct: Rules,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ConductAnswer]:
    """Kept as evidence: the text as you read it, what you said, when and from where. To leave costs nothing."""

    async def effect(connection: Connection) -> _Kept:
        await conduct.answer_text(
            connection,
            actor.user_id,
            data.step,
            version=data.version,
            text_sha256=data.text_sha256,
            choice=data.choice,
            address=addresses.of(request.scope),
            device=_device(request),
        )
        return _Kept("answered")

    done = await do_once(database, await intent_of(request, actor.user_id), effect)
    return _response(await _answer(conduct, database, actor.user_id), replayed=done.replayed)


@post(
    "/api/conduct/category",
    operation_id="declareInvestorCategory",
    summary="Say which kind of investor you are",
    tags=TAGS,
    guards=STEPS,
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def declare_category(
    request: AnyRequest,
    data: JSONBody[schemas.DeclareCategory],
    actor: CurrentActor,
    conduct: Rules,
    database: Where,
    addresses: Origin,
) -> Response[schemas.ConductAnswer]:
    """Signs the statement that belongs to the category. It holds for a time; then you are asked again."""

    async def effect(connection: Connection) -> _Kept:
        await conduct.declare(
            connection,
            actor.user_id,
            data.category,
            data.answers,
            version=data.version,
            text_sha256=data.text_sha256,
            address=addresses.of(request.scope),
            device=_device(request),
        )
        return _Kept("declared")

    done = await do_once(database, await intent_of(request, actor.user_id), effect)
    return _response(await _answer(conduct, database, actor.user_id), replayed=done.replayed)


@post(
    "/api/conduct/tests",
    operation_id="beginAppropriatenessTest",
    summary="Begin the test",
    tags=TAGS,
    guards=STEPS,
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def begin_test(
    request: AnyRequest, actor: CurrentActor, conduct: Rules, database: Where, addresses: Origin
) -> Response[schemas.AskedTest]:
    """Draws the questions. A test that you have begun is given again until you answer it; the next has others."""

    async def effect(connection: Connection) -> schemas.AskedTest:
        test = await conduct.begin_test(
            connection, actor.user_id, address=addresses.of(request.scope), device=_device(request)
        )
        return schemas.paper_of(test)

    done = await do_once(database, await intent_of(request, actor.user_id), effect)
    return _response(msgspec.json.decode(done.body, type=schemas.AskedTest), replayed=done.replayed)


@post(
    "/api/conduct/tests/{test_id:uuid}",
    operation_id="answerAppropriatenessTest",
    summary="Answer the test",
    tags=TAGS,
    guards=STEPS,
    opt={IDEMPOTENT: True},
    status_code=200,
)
async def answer_test(
    request: AnyRequest,
    test_id: FromPath[UUID],
    data: JSONBody[schemas.AnswerTest],
    actor: CurrentActor,
    conduct: Rules,
    database: Where,
    addresses: Origin,
) -> Response[schemas.MarkedTest]:
    """All questions at once, once."""
    chosen = {answer.question: answer.option for answer in data.answers}
    if len(chosen) != len(data.answers):
        raise Invalid("A question is answered once.", field="answers")

    async def effect(connection: Connection) -> _Kept:
        passed = await conduct.answer_test(
            connection,
            actor.user_id,
            test_id,
            chosen,
            address=addresses.of(request.scope),
            device=_device(request),
        )
        return _Kept("passed" if passed else "failed")

    done = await do_once(database, await intent_of(request, actor.user_id), effect)
    passed = msgspec.json.decode(done.body, type=_Kept).outcome == "passed"
    standing = await _answer(conduct, database, actor.user_id)
    return _response(schemas.MarkedTest(passed=passed, standing=standing), replayed=done.replayed)


async def _answer(conduct: Conduct, database: Database, user_id: UserId) -> schemas.ConductAnswer:
    async with database.read() as connection:
        standing = await conduct.standing(connection, user_id)
        return schemas.conduct_answer(standing, await conduct.first_name(connection, user_id))


def _device(request: AnyRequest) -> str:
    return request.headers.get("user-agent", "")[:DEVICE_LENGTH_MAX]


def _response(answer: Any, *, replayed: bool) -> Response[Any]:
    return Response(answer, status_code=200, headers={REPLAYED: "true"} if replayed else None)


ROUTES = (read_conduct, answer_text, declare_category, begin_test, answer_test)
