"""/api/messages, /api/notification-preferences, and the carrier's reports."""

from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Request, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, PathParameter, QueryParameter

from bitcurrent.identity import directory
from bitcurrent.identity.guards import CurrentActor, requires_session
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.notifications import schemas
from bitcurrent.notifications.model import ForgedReport
from bitcurrent.notifications.ports import TextCarrier
from bitcurrent.notifications.preferences import change_preferences, read_preferences
from bitcurrent.notifications.service import UNSUBSCRIBE_PATH, Notifications
from bitcurrent.notifications.unsubscribing import TOKEN_LENGTH_MAX, unsubscribe
from bitcurrent.settings import Settings
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import RATE, REPEATABLE
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["notifications"]
AnyRequest = Request[Any, Any, Any]
Told = NamedDependency[Notifications]
Where = NamedDependency[Database]
UnreadFilter = Annotated[bool | None, QueryParameter(name="unread", description="Only those not read, or read.")]
TextId = Annotated[UUID, QueryParameter(name="text", description="The text that the report is about.")]

SIGNATURE = "X-Twilio-Signature"
REPORT_FIELDS_MAX = 100
STATUS_LENGTH_MAX = 40


@get(
    "/api/messages",
    operation_id="listMessages",
    summary="My inbox",
    tags=TAGS,
    guards=[requires_session],
)
async def list_messages(
    actor: CurrentActor,
    letters: Told,
    database: Where,
    unread: UnreadFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[schemas.MessageAnswer] | dict[str, Any]:
    """Newest first; kept for 400 days."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await letters.inbox.read(connection, actor.user_id, unread=unread, before=before, limit=limit + 1)
    page = page_of(found, limit, item=schemas.message_answer, key=lambda message: message.id)
    return choose_fields(page, fields, schemas.MessageAnswer)


@get(
    "/api/messages/unread",
    operation_id="countUnreadMessages",
    summary="How many messages I have not read",
    tags=TAGS,
    guards=[requires_session],
)
async def count_unread(actor: CurrentActor, letters: Told, database: Where) -> schemas.Unread:
    """A `message_added` of the live stream says when to ask again."""
    async with database.read() as connection:
        return schemas.Unread(unread=await letters.inbox.count_unread(connection, actor.user_id))


@post(
    "/api/messages/{message_id:uuid}/read",
    operation_id="readMessage",
    summary="Mark a message as read",
    tags=TAGS,
    guards=[requires_session],
    opt={REPEATABLE: "What is read stays read."},
    status_code=200,
)
async def read_message(
    message_id: FromPath[UUID], actor: CurrentActor, letters: Told, database: Where
) -> schemas.MessageAnswer:
    """The first time counts."""
    async with database.transaction() as connection:
        return schemas.message_answer(await letters.inbox.mark_read(connection, actor.user_id, message_id))


@post(
    "/api/messages/read-all",
    operation_id="readAllMessages",
    summary="Mark all messages as read",
    tags=TAGS,
    guards=[requires_session],
    opt={REPEATABLE: "What is read stays read."},
    status_code=200,
)
async def read_all(actor: CurrentActor, letters: Told, database: Where) -> schemas.Marked:
    """Those that are there now."""
    async with database.transaction() as connection:
        return schemas.Marked(marked=await letters.inbox.mark_all_read(connection, actor.user_id))


@get(
    "/api/notification-preferences",
    operation_id="readNotificationPreferences",
    summary="What I am told about, and how",
    tags=TAGS,
    guards=[requires_session],
)
async def read_all_preferences(
    actor: CurrentActor, letters: Told, database: Where, fields: Fields = None
) -> schemas.PreferencesAnswer | dict[str, Any]:
    """Topics by channels. What is locked cannot be switched off."""
    async with database.read() as connection:
        preferences = await read_preferences(connection, actor.user_id)
        phone = await directory.phone_of(connection, letters.vault, actor.user_id)
    return choose_fields(schemas.preferences_answer(preferences, phone), fields, schemas.PreferencesAnswer)


@put(
    "/api/notification-preferences",
    operation_id="changeNotificationPreferences",
    summary="Choose what I am told about, and how",
    tags=TAGS,
    guards=[requires_session],
    opt={REPEATABLE: "It says what shall be, not what shall change."},
)
async def change_all_preferences(
    request: AnyRequest,
    data: JSONBody[schemas.ChangePreferences],
    actor: CurrentActor,
    letters: Told,
    database: Where,
    addresses: NamedDependency[Addresses],
) -> schemas.PreferencesAnswer:
    """All or nothing: 422 `preference_locked` names what must stay on, 409 `phone_missing` that texts need a phone."""
    wished = {(choice.topic, choice.channel): choice.enabled for choice in data.preferences}
    async with database.transaction() as connection:
        preferences = await change_preferences(
            connection, letters.vault, actor.user_id, wished, address=addresses.of(request.scope)
        )
        phone = await directory.phone_of(connection, letters.vault, actor.user_id)
    return schemas.preferences_answer(preferences, phone)


@post(
    "/api/notifications/unsubscribe",
    operation_id="unsubscribe",
    summary="No more letters of a kind",
    tags=TAGS,
    opt={REPEATABLE: "Switched off is switched off."},
    status_code=204,
)
async def unsubscribe_by_link(
    request: AnyRequest,
    data: JSONBody[schemas.Unsubscribe],
    letters: Told,
    database: Where,
    addresses: NamedDependency[Addresses],
) -> None:
    """By the link in a letter; they can be switched on again in the preferences."""
    async with database.transaction() as connection:
        await unsubscribe(connection, letters.vault, data.token, address=addresses.of(request.scope))


@post(
    f"{UNSUBSCRIBE_PATH}/{{token:str}}",
    operation_id="unsubscribeByOneClick",
    summary="No more letters of a kind, by a mail program",
    tags=TAGS,
    opt={REPEATABLE: "Switched off is switched off."},
    status_code=204,
)
async def unsubscribe_by_program(
    request: AnyRequest,
    token: Annotated[str, PathParameter(max_length=TOKEN_LENGTH_MAX)],
    letters: Told,
    database: Where,
    addresses: NamedDependency[Addresses],
) -> None:
    """What the header List-Unsubscribe of a letter names (RFC 8058)."""
    async with database.transaction() as connection:
        await unsubscribe(connection, letters.vault, token, address=addresses.of(request.scope))


@post(
    "/api/webhooks/twilio",
    operation_id="reportText",
    summary="What became of a text",
    tags=TAGS,
    opt={RATE: "public", REPEATABLE: "Each report counts once."},
    status_code=204,
)
async def report_text(
    request: AnyRequest,
    text: TextId,
    letters: Told,
    database: Where,
    text_carrier: NamedDependency[TextCarrier],
    settings: NamedDependency[Settings],
) -> None:
    """For the carrier of texts: form fields, signed in X-Twilio-Signature. 403 `forged_signature` for anybody else."""
    body = await request.body()
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=REPORT_FIELDS_MAX))
    except ValueError:
        raise Invalid("A report is made of form fields.") from None
    # The address that the carrier was given and signed, which is not the one that a proxy makes of it.
    url = f"{settings.base_url.rstrip('/')}{request.url.path}?{request.scope['query_string'].decode('latin-1')}"
    if not text_carrier.is_genuine(url=url, fields=fields, signature=request.headers.get(SIGNATURE, "")):
        raise ForgedReport
    status = fields.get("MessageStatus", "")
    if not 1 <= len(status) <= STATUS_LENGTH_MAX:
        raise Invalid("A report says what became of the text.", field="MessageStatus")
    code = fields.get("ErrorCode", "")
    async with database.transaction() as connection:
        await letters.texts.report(
            connection, text_id=text, status=status, code=int(code) if code.isdecimal() and len(code) < 9 else None
        )


ROUTES = (
    list_messages,
    count_unread,
    read_message,
    read_all,
    read_all_preferences,
    change_all_preferences,
    unsubscribe_by_link,
    unsubscribe_by_program,
    report_text,
)
