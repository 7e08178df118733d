"""Saved addresses, what the venue knows of them, transfers out of its wallet, and evidence for the Travel Rule.

Addresses, labels and names are encrypted; `address_index` finds equal addresses without showing them.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from bitcurrent.funding.addresses.model import DestinationState, TransferState
from bitcurrent.kernel.crypto import CARRIER_COMMENT, VALUE_COMMENT
from bitcurrent.kernel.database import metadata

AMOUNT = sa.Numeric(38, 18)


def _moment(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _made() -> "sa.Column[object]":
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _one_of(values: "type[DestinationState | TransferState]") -> str:
    return f"state IN ({', '.join(repr(str(value)) for value in values)})"


# One row for each address on a network, whoever saved it: the venue takes an address only once.
venue_destinations = sa.Table(
    "venue_destinations",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    # The coin that the venue was told with it; its approval is for the address on that chain.
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("address_index", pg.BYTEA, nullable=False),
    sa.Column("data_key", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    sa.Column("address", pg.BYTEA, nullable=False, comment=VALUE_COMMENT),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    sa.Column("venue_id", sa.Text),
    sa.Column("reason", sa.Text),
    _made(),
    _moment("told_at"),
    _moment("approved_at"),
    # The worker's: when to look at it next.
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("network", "address_index"),
    sa.CheckConstraint(_one_of(DestinationState), name="state"),
    sa.CheckConstraint("state <> 'approved' OR (venue_id IS NOT NULL AND approved_at IS NOT NULL)", name="approved"),
    sa.CheckConstraint("length(address_index) = 32", name="address_index"),
    sa.CheckConstraint("length(reason) BETWEEN 1 AND 300", name="reason"),
    sa.Index("idx_venue_destinations_next", "next_at", postgresql_where=sa.text("state NOT IN ('refused', 'removed')")),
)

withdrawal_addresses = sa.Table(
    "withdrawal_addresses",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("user_id", pg.UUID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("destination_id", pg.UUID, sa.ForeignKey("venue_destinations.id"), nullable=False),
    sa.Column("address_index", pg.BYTEA, nullable=False),
    # Beginning and end of the address, for lists and letters.
    sa.Column("shown", sa.Text, nullable=False),
    # None of the four once it was erased.
    sa.Column("data_key", pg.BYTEA, comment=CARRIER_COMMENT),
    sa.Column("address", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("label", pg.BYTEA, comment=VALUE_COMMENT),
    sa.Column("beneficiary", pg.BYTEA, comment=VALUE_COMMENT),
    _made(),
    _moment("usable_at", nullable=False),
    _moment("removed_at"),
    sa.CheckConstraint("usable_at >= created_at", name="waits"),
    sa.CheckConstraint("length(address_index) = 32", name="address_index"),
    sa.CheckConstraint("data_key IS NOT NULL OR removed_at IS NOT NULL", name="erased_when_removed"),
    sa.CheckConstraint("num_nulls(data_key, address) IN (0, 2)", name="erased_wholly"),
    sa.Index(
        "idx_withdrawal_addresses_once",
        "user_id",
        "asset",
        "network",
        "address_index",
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
    sa.Index("idx_withdrawal_addresses_user", "user_id", "id"),
    sa.Index("idx_withdrawal_addresses_same", "address_index"),
    sa.Index("idx_withdrawal_addresses_destination", "destination_id"),
)

wallet_transfers = sa.Table(
    "wallet_transfers",
    metadata,
    sa.Column("withdrawal_id", pg.UUID, sa.ForeignKey("withdrawals.id"), primary_key=True),
    sa.Column("destination_id", pg.UUID, sa.ForeignKey("venue_destinations.id"), nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("amount", AMOUNT, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    _made(),
    # When the request that may have an effect began, and how many there were.
    _moment("asked_at", nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="1"),
    # The venue's list was read without it so often, since then.
    _moment("missing_since"),
    sa.Column("looks", sa.Integer, nullable=False, server_default="0"),
    # What two people decided about one that cannot be found.
    sa.Column("decision", sa.Text),
    sa.Column("venue_id", sa.Text, unique=True),
    sa.Column("network_fee", AMOUNT),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("reason", sa.Text),
    _moment("finished_at"),
    sa.CheckConstraint("amount > 0", name="amount"),
    sa.CheckConstraint("network_fee >= 0", name="network_fee"),
    sa.CheckConstraint("attempts > 0 AND looks >= 0", name="counts"),
    sa.CheckConstraint(_one_of(TransferState), name="state"),
    sa.CheckConstraint("decision IN ('send_again', 'give_back')", name="decision"),
    sa.CheckConstraint("state NOT IN ('processing', 'complete') OR venue_id IS NOT NULL", name="bound"),
    sa.CheckConstraint("state NOT IN ('asked', 'nothing_there') OR venue_id IS NULL", name="unbound"),
    sa.CheckConstraint("(finished_at IS NOT NULL) = (state IN ('complete', 'failed'))", name="finished"),
    # The venue knows no id of ours: two equal transfers without an answer could not be told apart.
    sa.Index(
        "idx_wallet_transfers_unanswered",
        "asset",
        "destination_id",
        "amount",
        unique=True,
        postgresql_where=sa.text("state = 'asked'"),
    ),
    sa.Index("idx_wallet_transfers_open", "state", postgresql_where=sa.text("finished_at IS NULL")),
)

travel_rule_records = sa.Table(
    "travel_rule_records",
    metadata,
    sa.Column("withdrawal_id", pg.UUID, sa.ForeignKey("withdrawals.id"), primary_key=True),
    sa.Column("address_id", pg.UUID, sa.ForeignKey("withdrawal_addresses.id"), nullable=False),
    _made(),
    sa.Column("worth", AMOUNT, nullable=False),
    sa.Column("threshold", AMOUNT, nullable=False),
    sa.Column("required", sa.Boolean, nullable=False),
    sa.Column("data_key", pg.BYTEA, nullable=False, comment=CARRIER_COMMENT),
    # Who receives it, where, and at which address, as the customer had said it at that moment.
    sa.Column("evidence", pg.BYTEA, nullable=False, comment=VALUE_COMMENT),
    sa.CheckConstraint("worth >= 0 AND threshold >= 0", name="amounts"),
    sa.CheckConstraint("required = (worth >= threshold)", name="required"),
)
