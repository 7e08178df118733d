"""The address book on the wire."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from bitcurrent.funding.addresses import model
from bitcurrent.funding.addresses.networks import COINS, NETWORKS
from bitcurrent.web.schemas import Answer, Request

# Generous bounds: the model's own checks say what is wrong in better words.
Words = Annotated[str, msgspec.Meta(max_length=300)]
Code = Annotated[str, msgspec.Meta(max_length=40)]


class Beneficiary(Request, frozen=True, kw_only=True):
    """Who receives: your own wallet, or somebody's account at a provider (then with name, provider and country)."""

    receiver: model.Receiver
    name: Words | None = None
    provider: Words | None = None
    country: Annotated[str, msgspec.Meta(max_length=10, description="ISO 3166, two letters.")] | None = None

    def value(self) -> model.Beneficiary:
        """As the model has it."""
        return model.Beneficiary(receiver=self.receiver, name=self.name, provider=self.provider, country=self.country)


class SaveAddress(Request, frozen=True, kw_only=True):
    """An address for the book."""

    asset: Annotated[Code, msgspec.Meta(description="The coin: BTC.")]
    network: Annotated[Code, msgspec.Meta(description="One of GET /api/withdrawal-networks: bitcoin.")]
    address: Annotated[str, msgspec.Meta(max_length=300)]
    label: Annotated[Words, msgspec.Meta(description="What you call it.")]
    tag: Annotated[
        Words | None, msgspec.Meta(description="A destination tag or memo. Transfers cannot carry one: refused.")
    ] = None
    beneficiary: Beneficiary | None = None

    def wish(self) -> model.AddressWish:
        """As the model has it."""
        return model.AddressWish(
            asset=self.asset.strip().upper(),
            network=self.network.strip().lower(),
            address=self.address,
            label=self.label,
            tag=self.tag,
            beneficiary=self.beneficiary.value() if self.beneficiary else None,
        )


class Receiver(Answer, frozen=True, kw_only=True):
    """Who receives, as you said."""

    receiver: model.Receiver
    name: str | None
    provider: str | None
    country: str | None


class SavedAddress(Answer, frozen=True, kw_only=True):
    """An address of your book. It can be used once it is `ready`."""

    id: str
    asset: str
    network: str
    network_name: str
    address: str
    label: str
    beneficiary: Receiver | None
    state: Annotated[
        Literal["waiting", "ready", "refused"],
        msgspec.Meta(
            description="waiting: its day is not over, or the venue has not approved it; refused: by the venue."
        ),
    ]
    reason: str | None
    created_at: datetime
    usable_at: datetime


class NetworkOfCoin(Answer, frozen=True, kw_only=True):
    """A network that a coin leaves over."""

    asset: str
    network: str
    name: str
    form: Annotated[str, msgspec.Meta(description="What its addresses look like.")]
    hosted: Annotated[
        bool, msgspec.Meta(description="Whether accounts at providers can receive; false where those need a tag.")
    ]


def saved_address(saved: model.SavedAddress, *, now: datetime) -> SavedAddress:
    """An address as it is shown."""
    refused = saved.destination_state is model.DestinationState.REFUSED
    ready = saved.destination_state is model.DestinationState.APPROVED and saved.usable_at <= now
    receiver = saved.beneficiary
    return SavedAddress(
        id=str(saved.id),
        asset=saved.asset,
        network=saved.network,
        network_name=NETWORKS[saved.network].name,
        address=saved.address,
        label=saved.label,
        beneficiary=None
        if receiver is None
        else Receiver(
            receiver=receiver.receiver, name=receiver.name, provider=receiver.provider, country=receiver.country
        ),
        state="refused" if refused else "ready" if ready else "waiting",
        reason=saved.destination_reason if refused else None,
        created_at=saved.created_at,
        usable_at=saved.usable_at,
    )


def networks(needs_tag: frozenset[str]) -> list[NetworkOfCoin]:
    """Every coin with its networks."""
    return [
        NetworkOfCoin(
            asset=asset,
            network=key,
            name=NETWORKS[key].name,
            form=NETWORKS[key].form,
            hosted=key not in needs_tag,
        )
        for asset, keys in COINS.items()
        for key in keys
    ]
