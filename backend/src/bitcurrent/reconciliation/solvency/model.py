"""A Merkle-sum tree over what customers are owed of one asset, and proofs of inclusion. Pure.

Every node carries the sum of what lies below it, and its hash covers both children with their sums: nobody can be left
out, and nothing negative hidden, without some customer's proof failing. Amounts are whole units of 10^-18. A node
without a neighbour goes up unchanged. docs/solvency/verify.py says the same in a script that customers run themselves.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from bitcurrent.kernel.money import EXACT, LEDGER_PLACES

SCHEME: Final = "bitcurrent.solvency.v1"
SALT_BYTES: Final = 16
Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Node:
    """A leaf, an inner node or the root: a hash, and the units below it."""

    hash: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Step:
    """A neighbour on the way up, and the side on which it stands."""

    side: Side
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Proof that one customer's amount is in an asset's sum."""

    asset: str
    account: UUID
    salt: bytes
    units: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What lies outside of one asset, by the word of those who keep it; None where nobody could be asked."""

    venue: Decimal | None
    processor: Decimal | None
    bank: Decimal | None

    @property
    def total(self) -> Decimal | None:
        """Everything together; None when somebody's answer is missing."""
        total = Decimal(0)
        for amount in (self.venue, self.processor, self.bank):
            if amount is None:
                return None
            total = EXACT.add(total, amount)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetReport:
    """One asset of a report: what is owed to how many customers, the root that proves it, and what lies beside it."""

    asset: str
    owed: Decimal
    customers: int
    root: bytes
    holdings: Holdings

    @property
    def covered(self) -> bool | None:
        """Whether at least as much lies there as is owed; None when not everybody could be asked."""
        there = self.holdings.total
        return None if there is None else there >= self.owed


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvencyReport:
    """All assets at one moment. `books_hold` says whether the laws of the ledger held at that moment."""

    id: UUID
    as_of: datetime
    books_hold: bool
    assets: tuple[AssetReport, ...]
    key_id: str | None
    signature: bytes | None

    @property
    def solvent(self) -> bool:
        """Whether the books hold and every asset is known to be covered."""
        return self.books_hold and all(asset.covered for asset in self.assets)


def units_of(amount: Decimal) -> int:
    """An amount of the ledger in whole units; exact."""
    return int(EXACT.quantize(amount, Decimal(1).scaleb(-LEDGER_PLACES)).scaleb(LEDGER_PLACES, EXACT))


def amount_of(units: int) -> Decimal:
    """Units as an amount; exact."""
    return Decimal(units).scaleb(-LEDGER_PLACES, EXACT)


def leaf(*, salt: bytes, account: UUID, asset: str, units: int) -> Node:
    """One customer's leaf. The salt keeps others from guessing whose it is."""
    if units < 0:
        raise ValueError("nobody is owed less than nothing")
    return Node(_hash("leaf", salt.hex(), str(account), asset, str(units)), units)


def parent(left: Node, right: Node) -> Node:
    """The node above two."""
    digest = _hash("node", left.hash.hex(), str(left.units), right.hash.hex(), str(right.units))
    return Node(digest, left.units + right.units)


def grow(leaves: Sequence[Node]) -> list[list[Node]]:
    """Every level of the tree from the leaves to the root; the root of nothing is the hash of nothing."""
    level = list(leaves) or [Node(_hash("none"), 0)]
    levels = [level]
    while len(level) > 1:
        above = [parent(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        levels.append(above)
        level = above
    return levels


def neighbours(position: int, counts: Sequence[int]) -> list[tuple[int, int, Side]]:
    """Where the steps of a leaf's proof stand: (level, position, side); `counts` are the levels' lengths."""
    found: list[tuple[int, int, Side]] = []
    for number, count in enumerate(counts[:-1]):
        beside = position ^ 1
        if beside < count:
            found.append((number, beside, "left" if beside < position else "right"))
        position //= 2
    return found


def climb(start: Node, steps: Sequence[Step]) -> Node:
    """The root that a leaf and its steps lead to; raises ValueError for a neighbour with less than nothing."""
    node = start
    for step in steps:
        if step.node.units < 0:
            raise ValueError("a neighbour holds less than nothing")
        node = parent(step.node, node) if step.side == "left" else parent(node, step.node)
    return node


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\0".join((SCHEME, *parts)).encode()).digest()
