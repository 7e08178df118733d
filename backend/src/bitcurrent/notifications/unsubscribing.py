"""Links that switch off one topic's letters without a login: signed, for one customer and one topic, and for ever.

Whoever has such a link can do nothing else with it, and the customer can switch the letters on again.
"""

import base64
import hmac
from uuid import UUID

from bitcurrent.audit.service import record
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.notifications import inbox_repository as repository
from bitcurrent.notifications.topics import TOPICS, Topic

_PURPOSE = "notifications.unsubscribe"
TOKEN_LENGTH_MAX = 200


class BadLink(NotFound):
    """The link is not one of ours, or not whole."""

    code = "unsubscribe_link_invalid"

    def __init__(self) -> None:
        super().__init__("This link is not whole. Copy it again from the mail, to its very end.")


def token_for(vault: Vault, user_id: UUID, topic: Topic) -> str:
    """The token of a customer's link for a topic."""
    about = f"{user_id.hex}.{topic}"
    signature = base64.urlsafe_b64encode(vault.blind_index(about, purpose=_PURPOSE)).decode().rstrip("=")
    return f"{about}.{signature}"


def read_token(vault: Vault, token: str) -> tuple[UserId, Topic]:
    """Whose link it is, and what about; raises BadLink."""
    for topic, about in TOPICS.items():
        user, _, rest = token[:TOKEN_LENGTH_MAX].partition(".")
        if about.essential or not rest.startswith(f"{topic}."):
            continue
        try:
            user_id = UUID(hex=user)
        except ValueError:
            break
        if hmac.compare_digest(token.encode(), token_for(vault, user_id, topic).encode()):
            return UserId(user_id), topic
    raise BadLink


async def unsubscribe(connection: Connection, vault: Vault, token: str, *, address: str) -> Topic:
    """No more letters about the link's topic; again is no error. Raises BadLink."""
    user_id, topic = read_token(vault, token)
    before = await repository.read_preferences(connection, user_id)
    if before.get((topic, "email")) is not False:
        await repository.write_preferences(connection, user_id, {(topic, "email"): False})
        await record(
            connection,
            actor_id=None,
            action="notifications.unsubscribed",
            subject=f"user:{user_id}",
            address=address,
            details={"topic": topic},
        )
    return topic
