"""/api/solvency: what is owed to all customers, for everybody; and each customer's own proof."""

from typing import Any
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from bitcurrent.identity.guards import CurrentActor, requires_scope
from bitcurrent.kernel.database import Database
from bitcurrent.reconciliation.solvency.schemas import ProofAnswer, SolvencyAnswer, proof_answer, solvency_answer
from bitcurrent.reconciliation.solvency.service import Solvency
from bitcurrent.web.answers import CACHEABLE
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Solvency"]


@get(
    "/api/solvency",
    operation_id="readSolvency",
    summary="The newest solvency report",
    tags=TAGS,
    opt={CACHEABLE: True},
)
async def read_solvency(solvency: NamedDependency[Solvency], database: NamedDependency[Database]) -> SolvencyAnswer:
    """What is owed to all customers of each asset, the root that proves it, and what lies beside it."""
    async with database.read() as connection:
        return solvency_answer(await solvency.newest(connection))


@get("/api/solvency/reports", operation_id="listSolvencyReports", summary="Every solvency report", tags=TAGS)
async def list_reports(
    solvency: NamedDependency[Solvency],
    database: NamedDependency[Database],
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[SolvencyAnswer] | dict[str, Any]:
    """Newest first. A root that was published once stays here for good."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await solvency.reports(connection, before=before, limit=limit + 1)
    page = page_of(found, limit, item=solvency_answer, key=lambda report: report.id)
    return choose_fields(page, fields, SolvencyAnswer)


@get(
    "/api/solvency/proof",
    operation_id="readSolvencyProof",
    summary="Your proof in the newest report",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_proof(
    actor: CurrentActor, solvency: NamedDependency[Solvency], database: NamedDependency[Database]
) -> ProofAnswer:
    """That what you are owed is in the published sums. Check it with docs/solvency/verify.py, which asks nobody."""
    async with database.read() as connection:
        report_id, proofs = await solvency.prove(connection, actor.user_id)
    return proof_answer(report_id, proofs)


ROUTES: tuple[ControllerRouterHandler, ...] = (read_solvency, list_reports, read_proof)
