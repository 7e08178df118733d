"""Notifications on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.notifications import model
from bitcurrent.notifications.preferences import Preferences
from bitcurrent.notifications.topics import CHANNELS, TOPICS, Channel, Topic, is_locked, is_offered
from bitcurrent.notifications.unsubscribing import TOKEN_LENGTH_MAX
from bitcurrent.web.schemas import Answer, Request

CHOICES_MAX = 50


class MessageAnswer(Answer, frozen=True, kw_only=True):
    """A message in the inbox. `template` is stable and made for programs."""

    id: UUID
    created_at: datetime
    topic: str
    template: str
    title: str
    body: str
    read_at: datetime | None


class Unread(Answer, frozen=True, kw_only=True):
    """How many messages have not been read."""

    unread: int


class Marked(Answer, frozen=True, kw_only=True):
    """How many messages were marked as read."""

    marked: int


class ChannelAnswer(Answer, frozen=True, kw_only=True):
    """One channel of a topic. What is locked cannot be switched off: it protects the account."""

    channel: Channel
    enabled: bool
    locked: bool


class TopicAnswer(Answer, frozen=True, kw_only=True):
    """One topic, with the channels that there are for it."""

    topic: Topic
    title: str
    about: str
    channels: list[ChannelAnswer]


class PreferencesAnswer(Answer, frozen=True, kw_only=True):
    """What you are told about, and how. `phone` is the end of the confirmed number that texts go to, if any."""

    topics: list[TopicAnswer]
    phone: str | None


class Choice(Request, frozen=True, kw_only=True):
    """Switch one channel of one topic."""

    topic: Topic
    channel: Channel
    enabled: bool


class Unsubscribe(Request, frozen=True, kw_only=True):
    """What stands behind the # of the link in a letter."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_LENGTH_MAX)]


class ChangePreferences(Request, frozen=True, kw_only=True):
    """Switch some channels; what is not named stays as it is."""

    preferences: Annotated[list[Choice], msgspec.Meta(min_length=1, max_length=CHOICES_MAX)]


def message_answer(value: model.Message) -> MessageAnswer:
    """A message as an answer."""
    return MessageAnswer(
        id=value.id,
        created_at=value.created_at,
        topic=value.topic,
        template=value.template,
        title=value.title,
        body=value.body,
        read_at=value.read_at,
    )


def preferences_answer(value: Preferences, phone: str | None) -> PreferencesAnswer:
    """What somebody chose, as an answer; of the phone only the end."""
    return PreferencesAnswer(
        topics=[
            TopicAnswer(
                topic=topic,
                title=about.title,
                about=about.words,
                channels=[
                    ChannelAnswer(
                        channel=channel, enabled=value.wants(topic, channel), locked=is_locked(topic, channel)
                    )
                    for channel in CHANNELS
                    if is_offered(topic, channel)
                ],
            )
            for topic, about in TOPICS.items()
        ],
        phone=None if phone is None else f"•••{phone[-4:]}",
    )
