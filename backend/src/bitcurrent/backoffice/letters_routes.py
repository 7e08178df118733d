"""/api/admin/letters: what we write to customers, to be looked at with sample values."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from bitcurrent.identity.admin import requires_permission
from bitcurrent.notifications import preview
from bitcurrent.notifications.topics import Channel, Topic
from bitcurrent.settings import Settings
from bitcurrent.web.pages import Fields, choose_fields
from bitcurrent.web.schemas import Answer

TAGS = ["Back office"]
TemplateName = Annotated[str, PathParameter(description="As the list has it: withdrawal_sent.", max_length=100)]


class LetterAnswer(Answer, frozen=True, kw_only=True):
    """A letter, and how it reads with sample values. `names` are what has to be filled in."""

    template: str
    topic: Topic
    subject: str
    essential: bool
    channels: list[Channel]
    names: list[str]
    text: str
    phone: str | None


@get(
    "/api/admin/letters",
    operation_id="listLetters",
    summary="What we write to customers",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
)
async def list_letters(
    settings: NamedDependency[Settings], fields: Fields = None
) -> list[LetterAnswer] | dict[str, Any]:
    """Every letter by name, with its text, its topic and the channels that it goes by."""
    found = [_answer(one) for one in preview.samples(settings.base_url)]
    return choose_fields(found, fields, LetterAnswer)


@get(
    "/api/admin/letters/{template:str}/preview",
    operation_id="previewLetter",
    summary="A letter as mail programs show it",
    tags=TAGS,
    guards=[requires_permission("customers.read")],
    media_type="text/html",
)
async def preview_letter(template: TemplateName, settings: NamedDependency[Settings]) -> Response[bytes]:
    """A page of HTML that loads nothing and runs nothing."""
    page = preview.sample(template, settings.base_url).html.encode()
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": preview.PREVIEW_POLICY})


def _answer(value: preview.Sample) -> LetterAnswer:
    return LetterAnswer(
        template=value.template,
        topic=value.topic,
        subject=value.subject,
        essential=value.essential,
        channels=list(value.channels),
        names=list(value.names),
        text=value.text,
        phone=value.phone,
    )


ROUTES = (list_letters, preview_letter)
