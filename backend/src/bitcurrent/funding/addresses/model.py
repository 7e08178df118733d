"""Saved addresses and transfers as values, their states, and why one is refused. Pure."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain

ADDRESSES_MAX: Final = 20
ADDED_A_DAY_MAX: Final = 30
LABEL_MAX: Final = 60
NAME_MAX: Final = 120


class DestinationState(StrEnum):
    """How far the venue is with an address. `telling` is an intent without an answer."""

    WAITING = "waiting"
    TELLING = "telling"
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    REMOVING = "removing"
    REMOVED = "removed"


DESTINATION_STEPS: Final[Mapping[DestinationState, frozenset[DestinationState]]] = {
    DestinationState.WAITING: frozenset({DestinationState.TELLING, DestinationState.REMOVED}),
    DestinationState.TELLING: frozenset(
        {DestinationState.WAITING, DestinationState.PENDING, DestinationState.APPROVED, DestinationState.REFUSED}
    ),
    DestinationState.PENDING: frozenset(
        {DestinationState.APPROVED, DestinationState.WAITING, DestinationState.REMOVING}
    ),
    DestinationState.APPROVED: frozenset({DestinationState.WAITING, DestinationState.REMOVING}),
    DestinationState.REFUSED: frozenset({DestinationState.WAITING}),
    DestinationState.REMOVING: frozenset({DestinationState.REMOVED, DestinationState.WAITING}),
    DestinationState.REMOVED: frozenset({DestinationState.WAITING}),
}
"""What may follow what. The venue may forget an address: then it is told again."""


class TransferState(StrEnum):
    """A transfer out of the venue's wallet. `asked` means that it may have happened, until the venue's list says."""

    ASKED = "asked"
    NOTHING_THERE = "nothing_there"
    PROCESSING = "processing"
    COMPLETE = "complete"
    FAILED = "failed"


TRANSFER_STEPS: Final[Mapping[TransferState, frozenset[TransferState]]] = {
    TransferState.ASKED: frozenset(
        {TransferState.NOTHING_THERE, TransferState.PROCESSING, TransferState.COMPLETE, TransferState.FAILED}
    ),
    TransferState.NOTHING_THERE: frozenset({TransferState.ASKED, TransferState.FAILED}),
    TransferState.PROCESSING: frozenset({TransferState.COMPLETE, TransferState.FAILED}),
    TransferState.COMPLETE: frozenset(),
    TransferState.FAILED: frozenset(),
}
"""What may follow what; functions.sql has the same list, and a test compares them."""

Decision = Literal["send_again", "give_back"]
Receiver = Literal["own_wallet", "hosted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beneficiary:
    """Who receives, as the Travel Rule asks: a wallet of the customer's own, or somebody's account at a provider."""

    receiver: Receiver
    name: str | None = None
    provider: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressWish:
    """An address as the customer gave it."""

    asset: str
    network: str
    address: str
    label: str
    tag: str | None = None
    beneficiary: Beneficiary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAddress:
    """An address in a customer's book. `usable_at` ends our wait; the venue must have approved it too."""

    id: UUID
    user_id: UserId
    asset: str
    network: str
    address: str
    shown: str
    label: str
    beneficiary: Beneficiary | None
    created_at: datetime
    usable_at: datetime
    removed_at: datetime | None
    destination_id: UUID
    destination_state: DestinationState
    destination_reason: str | None
    """Why the venue does not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An address on its way to, or at, the venue."""

    id: UUID
    asset: str
    network: str
    address: str
    state: DestinationState
    venue_id: str | None
    attempts: int
    used: bool
    """Whether a customer still has it in their book, or a transfer to it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTransfer:
    """Our record of one transfer."""

    withdrawal_id: UUID
    destination_id: UUID
    asset: str
    network: str
    amount: Decimal
    state: TransferState
    asked_at: datetime
    attempts: int
    missing_since: datetime | None
    missing_seconds: Decimal
    looks: int
    decision: Decision | None
    venue_id: str | None
    network_fee: Decimal | None
    transaction_hash: str | None
    reason: str | None


class AddressNotFound(NotFound):
    """No address of the asker's has this id."""

    code = "address_not_found"

    def __init__(self) -> None:
        super().__init__("You have no saved address with this id.")


class AddressKnown(Conflict):
    """It is in the book already."""

    code = "address_known"

    def __init__(self, asset: str) -> None:
        super().__init__(f"This address is in your book for {asset} already.", field="address")


class TooManyAddresses(Conflict):
    """The book is full, or grows too fast."""

    code = "too_many_addresses"

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(f"At most {limit} {what}.", details={"limit": str(limit)})


class TagNotPossible(Invalid):
    """The venue cannot send a destination tag, so coins for an exchange's customer would be lost."""

    code = "tag_not_possible"

    def __init__(self, network: str, field: str) -> None:
        super().__init__(
            f"Transfers over {network} cannot carry a destination tag or memo from here, and a provider needs one to "
            "know whose they are. Withdraw to a wallet of your own, which needs none.",
            field=field,
        )


class BeneficiaryIncomplete(Invalid):
    """What the Travel Rule wants to know of the receiver is not all there."""

    code = "beneficiary_incomplete"

    def __init__(self, missing: str) -> None:
        super().__init__(
            "For an account at a provider give the receiver's name, the provider's and the country (ISO 3166, two "
            "letters).",
            field=f"beneficiary.{missing}",
        )


class BeneficiaryNeeded(Forbidden):
    """Above the threshold the Travel Rule wants to know who receives."""

    code = "beneficiary_needed"
    title = "Who receives it?"

    def __init__(self, *, worth: Decimal, threshold: Decimal) -> None:
        super().__init__(
            f"Transfers worth {plain(threshold)} USD or more need to say who receives them. Add it to the address "
            "first: PUT /api/withdrawal-addresses/{id}/beneficiary.",
            field="destination",
            details={"worth": plain(worth), "threshold": plain(threshold)},
        )


class AddressRefused(Forbidden):
    """The venue does not send to this address."""

    code = "address_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The venue does not send to this address: {reason}", field="destination")


class NothingToDecide(Conflict):
    """The transfer is not one that waits for people."""

    code = "nothing_to_decide"

    def __init__(self, why: str) -> None:
        super().__init__(f"This transfer is not for people to decide now: {why}")


def mask(address: str) -> str:
    """Beginning and end of an address: enough to know it again, too little to use it."""
    return address if len(address) <= 14 else f"{address[:7]}…{address[-5:]}"


def read_words(text: str, *, field: str, most: int) -> str:
    """A label or a name: letters, digits and plain signs, no markup, nothing invisible. Raises Invalid."""
    words = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(words) <= most:
        raise Invalid(f"Give 1 to {most} characters.", field=field, details={"limit": str(most)})
    if any(unicodedata.category(character)[0] == "C" for character in words) or set(words) & set("<>{}\\"):
        raise Invalid("No markup and no invisible characters, please.", field=field)
    return words


def read_beneficiary(given: Beneficiary | None) -> Beneficiary | None:
    """What was said of the receiver, complete; raises BeneficiaryIncomplete or Invalid."""
    if given is None or given.receiver == "own_wallet":
        if given is not None and (given.name or given.provider or given.country):
            raise Invalid("A wallet of your own has no other receiver.", field="beneficiary")
        return given
    for part in ("name", "provider", "country"):
        if not getattr(given, part):
            raise BeneficiaryIncomplete(part)
    country = (given.country or "").upper()
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        raise BeneficiaryIncomplete("country")
    return Beneficiary(
        receiver="hosted",
        name=read_words(given.name or "", field="beneficiary.name", most=NAME_MAX),
        provider=read_words(given.provider or "", field="beneficiary.provider", most=NAME_MAX),
        country=country,
    )
