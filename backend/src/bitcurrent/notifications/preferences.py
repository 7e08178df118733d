"""What customers choose to be told, and by which channels."""

from collections.abc import Mapping
from dataclasses import dataclass

from bitcurrent.audit.service import record
from bitcurrent.identity import directory
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.notifications import inbox_repository as repository
from bitcurrent.notifications.model import NotOffered, PhoneMissing, PreferenceLocked
from bitcurrent.notifications.topics import Channel, Topic, is_locked, is_offered, is_usual

Chosen = Mapping[tuple[str, str], bool]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one customer chose."""

    chosen: Chosen

    def wants(self, topic: Topic, channel: Channel) -> bool:
        """Whether they are told about the topic by the channel; what is locked they always are."""
        if not is_offered(topic, channel):
            return False
        return is_locked(topic, channel) or self.chosen.get((topic, channel), is_usual(channel))


async def read_preferences(connection: Connection, user_id: UserId) -> Preferences:
    """What a customer chose."""
    return Preferences(await repository.read_preferences(connection, user_id))


async def change_preferences(
    connection: Connection,
    vault: Vault,
    user_id: UserId,
    wished: Mapping[tuple[Topic, Channel], bool],
    *,
    address: str,
) -> Preferences:
    """Keep what a customer chose; raises PreferenceLocked, NotOffered or PhoneMissing, and changes nothing then."""
    for (topic, channel), enabled in wished.items():
        if not is_offered(topic, channel):
            raise NotOffered(topic, channel)
        if is_locked(topic, channel) and not enabled:
            raise PreferenceLocked(topic, channel)
    wants_texts = any(enabled for (_, channel), enabled in wished.items() if channel == "sms")
    if wants_texts and await directory.phone_of(connection, vault, user_id) is None:
        raise PhoneMissing
    before = await repository.read_preferences(connection, user_id)
    changed: dict[tuple[str, str], bool] = {
        (topic, channel): on for (topic, channel), on in wished.items() if before.get((topic, channel)) != on
    }
    if changed:
        await repository.write_preferences(connection, user_id, changed)
        await record(
            connection,
            actor_id=user_id,
            action="notifications.preferences_changed",
            subject=f"user:{user_id}",
            address=address,
            after={f"{topic}.{channel}": enabled for (topic, channel), enabled in changed.items()},
        )
    return Preferences({**before, **changed})
