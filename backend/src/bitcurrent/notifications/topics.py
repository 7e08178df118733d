"""What customers are told about, by which channels, and what of it they may switch off."""

from dataclasses import dataclass
from typing import Literal, get_args

Topic = Literal[
    "account",
    "security",
    "withdrawals",
    "disputes",
    "refunds",
    "deposits",
    "bonuses",
    "conversions",
    "documents",
    "compliance",
]
Channel = Literal["email", "sms", "in_app"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A topic. `essential`: e-mail and inbox cannot be switched off, because an account is lost where nobody looks.

    Texts are an extra that nobody gets unasked; `texted` says that there are any.
    """

    title: str
    words: str
    essential: bool = False
    texted: bool = False


TOPICS: dict[Topic, About] = {
    "account": About(
        title="Your account", words="Links that you asked for: confirmations, a new password.", essential=True
    ),
    "security": About(
        title="Security",
        words="New devices, changed passwords, second factors and addresses.",
        essential=True,
        texted=True,
    ),
    "withdrawals": About(
        title="Withdrawals",
        words="Money that leaves your account, and where it may go.",
        essential=True,
        texted=True,
    ),
    "disputes": About(
        title="Disputed payments", words="Card payments that a bank takes back.", essential=True, texted=True
    ),
    "compliance": About(title="Checks", words="What we must ask you, and what came of it.", essential=True),
    "refunds": About(title="Refunds", words="Money on its way back to a card."),
    "deposits": About(title="Deposits", words="Money that arrives, or does not."),
    "bonuses": About(title="Bonuses", words="Bonuses that you earn, and when they are yours."),
    "conversions": About(title="Conversions", words="Currencies that you convert."),
    "documents": About(title="Documents", words="Statements and exports that are ready."),
}


def is_locked(topic: Topic, channel: Channel) -> bool:
    """Whether a customer cannot switch it off."""
    return TOPICS[topic].essential and channel != "sms"


def is_usual(channel: Channel) -> bool:
    """What holds until a customer has chosen."""
    return channel != "sms"


def is_offered(topic: Topic, channel: Channel) -> bool:
    """Whether there is anything to switch."""
    return channel != "sms" or TOPICS[topic].texted
