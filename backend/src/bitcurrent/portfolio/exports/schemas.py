"""Exports on the wire of /api."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from bitcurrent.portfolio.exports.model import SCHEMAS, Export
from bitcurrent.web.schemas import Answer, Request


class ExportRequest(Request, frozen=True, kw_only=True, rename={"from_at": "from", "until_at": "until"}):
    """A list of everything of this kind in [from, until); from the beginning and until now when nothing is said."""

    kind: Literal["transactions", "trades"]
    from_at: datetime | None = None
    until_at: datetime | None = None


class ExportAnswer(Answer, frozen=True, kw_only=True, rename={"from_at": "from", "until_at": "until"}):
    """A list that you asked for; `file` is where it is fetched once it is `done`, until `expires_at`."""

    id: UUID
    kind: Literal["transactions", "trades"]
    schema: str
    from_at: datetime
    until_at: datetime
    state: Literal["asked", "running", "done", "failed"]
    percent: int
    rows: int
    bytes: int
    file: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


def export_answer(export: Export) -> ExportAnswer:
    """A list for its customer."""
    return ExportAnswer(
        id=export.id,
        kind=export.kind,
        schema=SCHEMAS[export.kind],
        from_at=export.from_at,
        until_at=export.until_at,
        state=export.state,
        percent=export.percent,
        rows=export.rows_done,
        bytes=export.bytes,
        file=f"/api/exports/{export.id}/file" if export.state == "done" else None,
        created_at=export.created_at,
        finished_at=export.finished_at,
        expires_at=export.expires_at,
    )
