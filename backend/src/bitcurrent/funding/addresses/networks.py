"""Which coins leave over which networks, and whether a text is an address there. Pure; checksums by bip-utils.

Coins that go to the wrong network are lost, so a text that is not wholly right is refused, and the refusal says what
is wrong with it: another network's address (which one), a test network's, a mistyped one, one that nobody owns.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bitcurrent.kernel.errors import Invalid

ADDRESS_LENGTH_MAX: Final = 120
Family = Literal[
    "bitcoin", "litecoin", "dogecoin", "bitcoin-cash", "evm", "solana", "xrp", "polkadot", "tezos", "cardano"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that coins leave over.

    `chain` is the venue's word for it; `named` whether the venue wants to be told it (its published list of chains has
    five; for other coins it derives the chain from coin and address). `form` is what its addresses look like.
    """

    key: str
    name: str
    family: Family
    chain: str
    form: str
    named: bool = False
    explorer: str
    """Where a transfer can be looked up: {hash} stands for the transaction's."""


NETWORKS: Final[Mapping[str, Network]] = {
    network.key: network
    for network in (
        Network(key="bitcoin", name="Bitcoin", family="bitcoin", chain="BTC", form="bc1…, 1… or 3…", named=True,
                explorer="https://mempool.space/tx/{hash}"),
        Network(key="ethereum", name="Ethereum", family="evm", chain="ETH", form="0x… in mixed case", named=True,
                explorer="https://etherscan.io/tx/{hash}"),
        Network(key="solana", name="Solana", family="solana", chain="SOL", form="32 to 44 letters and digits",
                named=True, explorer="https://solscan.io/tx/{hash}"),
        Network(key="xrp", name="XRP Ledger", family="xrp", chain="XRP", form="r…", named=True,
                explorer="https://livenet.xrpl.org/transactions/{hash}"),
        Network(key="litecoin", name="Litecoin", family="litecoin", chain="LTC", form="ltc1…, L… or M…",
                explorer="https://litecoinspace.org/tx/{hash}"),
        Network(key="dogecoin", name="Dogecoin", family="dogecoin", chain="DOGE", form="D…",
                explorer="https://dogechain.info/tx/{hash}"),
        Network(key="bitcoin-cash", name="Bitcoin Cash", family="bitcoin-cash", chain="BCH", form="bitcoincash:q…",
                explorer="https://explorer.bitcoinunlimited.info/tx/{hash}"),
        Network(key="avalanche", name="Avalanche C-Chain", family="evm", chain="AVAX", form="0x… in mixed case",
                explorer="https://snowtrace.io/tx/{hash}"),
        Network(key="polkadot", name="Polkadot", family="polkadot", chain="DOT", form="1… (47 or 48 characters)",
                explorer="https://polkadot.subscan.io/extrinsic/{hash}"),
        Network(key="tezos", name="Tezos", family="tezos", chain="XTZ", form="tz1…, tz2… or tz3…",
                explorer="https://tzkt.io/{hash}"),
        Network(key="cardano", name="Cardano", family="cardano", chain="ADA", form="addr1…",
                explorer="https://cardanoscan.io/transaction/{hash}"),
    )
}  # fmt: skip

_ERC20: Final = ("LINK", "UNI", "AAVE", "SHIB", "PEPE", "CRV", "GRT", "MKR", "SUSHI", "YFI", "BAT")
COINS: Final[Mapping[str, tuple[str, ...]]] = {
    "BTC": ("bitcoin",),
    "ETH": ("ethereum",),
    "SOL": ("solana",),
    "XRP": ("xrp",),
    "DOGE": ("dogecoin",),
    "LTC": ("litecoin",),
    "BCH": ("bitcoin-cash",),
    "AVAX": ("avalanche",),
    "DOT": ("polkadot",),
    "XTZ": ("tezos",),
    "ADA": ("cardano",),
    "USDC": ("ethereum", "solana"),
    "USDT": ("ethereum", "solana"),
    **dict.fromkeys(_ERC20, ("ethereum",)),
}
"""The networks of each coin, the usual one first. A coin that is not here cannot be withdrawn (docs/addresses.md)."""

NEVER_SENT_TO: Final[Mapping[str, str]] = {
    "0x0000000000000000000000000000000000000000": "nobody owns it",
    "0x000000000000000000000000000000000000dEaD": "nobody owns it",
    "11111111111111111111111111111111": "it is Solana's system program",
    "1BitcoinEaterAddressDontSendf59kuE": "nobody owns it",
    "rrrrrrrrrrrrrrrrrrrrrhoLvTp": "nobody owns it",
    "rrrrrrrrrrrrrrrrrrrrBZbvji": "nobody owns it",
    "tz1Ke2h7sDdakHJQh8WX4Z372du1KChsksyU": "nobody owns it",
    "0xdAC17F958D2ee523a2206206994597C13D831ec7": "it is the contract of USDT itself",
    "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48": "it is the contract of USDC itself",
    "0x514910771AF9Ca656af840dff83E8264EcF986CA": "it is the contract of LINK itself",
    "0x1f9840a85d5aF5bf1D1762F925BDADdC4201F984": "it is the contract of UNI itself",
    "0x7Fc66500c84A76Ad7e9c93437bFc5Ac33E2DDaE9": "it is the contract of AAVE itself",
}
"""Valid addresses from which nothing ever comes back."""


class NoWithdrawals(Invalid):
    """This coin, or this coin over this network, cannot be withdrawn here."""

    code = "no_withdrawals"
    title = "Not available here"

    def __init__(self, asset: str, network: str | None = None) -> None:
        over = f" over the network {network!r}" if network else ""
        known = COINS.get(asset, ())
        which = f" It leaves over {' or '.join(known)}." if known else ""
        super().__init__(
            f"There are no withdrawals of {asset}{over} yet.{which}",
            field="network" if known else "asset",
            details={"asset": asset, "networks": ",".join(known)},
        )


class AddressInvalid(Invalid):
    """The text is no address of that network, or one that nothing may be sent to. `fault` says what is wrong."""

    code = "address_invalid"
    title = "Not an address of this network"

    def __init__(self, fault: str, message: str, *, network: Network, **details: str) -> None:
        super().__init__(message, field="address", details={"fault": fault, "network": network.key, **details})


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a text is an address of: a family's (or, with none, only a name that we know), in the form that is kept."""

    name: str
    text: str
    family: Family | None = None
    refused: str | None = None
    """Why it cannot be taken although it is of that family."""


def network_of(asset: str, network: str) -> Network:
    """The network that the coin leaves over; raises NoWithdrawals for a coin or a network that it has not."""
    if asset not in COINS:
        raise NoWithdrawals(asset)
    if network not in COINS[asset]:
        raise NoWithdrawals(asset, network[:40])
    return NETWORKS[network]


def read_address(text: str, network: Network) -> str:
    """The address as it is kept and sent to; raises AddressInvalid saying what is wrong with it."""
    given = text.strip()
    if not given.isascii() or not given.isprintable() or len(given) > ADDRESS_LENGTH_MAX or not given:
        raise AddressInvalid("malformed", f"This is no {network.name} address: {network.form}.", network=network)
    found = recognise(given, prefer=network.family)
    if found is None:
        raise _unrecognised(given, network)
    if found.family != network.family:
        kind = "test_network" if found.family is None and "test" in found.name else "another_network"
        raise AddressInvalid(
            kind,
            f"This is an address of {found.name}, and coins sent there over {network.name} would be lost. "
            f"{network.name} addresses look like {network.form}.",
            network=network,
            found=found.name,
        )
    if found.refused is not None:
        raise AddressInvalid("form", found.refused, network=network)
    if why := NEVER_SENT_TO.get(found.text):
        raise AddressInvalid("unspendable", f"Nothing comes back from this address: {why}.", network=network)
    return found.text


def recognise(text: str, *, prefer: Family | None = None) -> Recognised | None:
    """Which network's address the text is, checksum and all; None when it is nobody's that we know."""
    order = sorted(_READERS, key=lambda reader: reader.family != prefer)
    for reader in order:
        if reader.looks.fullmatch(text) and (found := _try(reader.read, text)) is not None:
            return found
    return None


def _try(read: Callable[[str], Recognised | None], text: str) -> Recognised | None:
    from bip_utils import Base58ChecksumError, Bech32ChecksumError, SS58ChecksumError

    try:
        return read(text)
    except (Base58ChecksumError, Bech32ChecksumError, SS58ChecksumError, ValueError, IndexError):
        return None  # all of these mean that the text does not decode


def _unrecognised(given: str, network: Network) -> AddressInvalid:
    """It has the look of this network and does not check, or not even that."""
    if any(reader.family == network.family and reader.looks.fullmatch(given) for reader in _READERS):
        if network.family == "evm" and given in (given.lower(), "0x" + given[2:].upper()):
            return AddressInvalid(
                "no_checksum",
                "This form of the address has no checksum, so a typing mistake could not be seen. Give it in mixed "
                "case, as your wallet shows it.",
                network=network,
            )
        return AddressInvalid(
            "checksum",
            f"This looks like a {network.name} address, but its checksum is wrong: a character is missing or changed. "
            "Copy it again.",
            network=network,
        )
    return AddressInvalid(
        "malformed", f"This is no {network.name} address: they look like {network.form}.", network=network
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    family: Family | None
    looks: re.Pattern[str]
    read: Callable[[str], Recognised | None]


_BASE58: Final = "1-9A-HJ-NP-Za-km-z"
_LEGACY: Final[Mapping[int, tuple[Family | None, str]]] = {
    0x00: ("bitcoin", "Bitcoin"),
    0x05: ("bitcoin", "Bitcoin"),
    0x30: ("litecoin", "Litecoin"),
    0x32: ("litecoin", "Litecoin"),
    0x1E: ("dogecoin", "Dogecoin"),
    0x16: ("dogecoin", "Dogecoin"),
    0x41: (None, "Tron"),
    0x6F: (None, "a test network of Bitcoin or Litecoin"),
    0xC4: (None, "a test network of Bitcoin or Litecoin"),
    0x3A: (None, "Litecoin's test network"),
    0x71: (None, "Dogecoin's test network"),
}
"""First byte of the addresses that begin as Bitcoin's did."""
_SEGWIT: Final[Mapping[str, tuple[Family | None, str]]] = {
    "bc": ("bitcoin", "Bitcoin"),
    "ltc": ("litecoin", "Litecoin"),
    "tb": (None, "Bitcoin's test network"),
    "bcrt": (None, "a private test network of Bitcoin"),
    "tltc": (None, "Litecoin's test network"),
}
_TEZOS: Final = {b"\x06\xa1\x9f", b"\x06\xa1\xa1", b"\x06\xa1\xa4"}
_SUBSTRATES: Final = {2: "Kusama", 42: "another Substrate network"}


def _legacy(text: str) -> Recognised | None:
    from bip_utils import Base58Decoder

    raw = Base58Decoder.CheckDecode(text)
    if len(raw) != 21 or raw[0] not in _LEGACY:
        return None
    family, name = _LEGACY[raw[0]]
    return Recognised(name, text, family)


def _segwit(text: str) -> Recognised | None:
    from bip_utils import SegwitBech32Decoder

    hrp = text.lower().rpartition("1")[0]
    if hrp not in _SEGWIT:
        return None
    version, program = SegwitBech32Decoder.Decode(hrp, text)
    family, name = _SEGWIT[hrp]
    if version > 1 or (version == 1 and len(program) != 32):
        return Recognised(name, text.lower(), family, "No wallet spends from addresses of this version so far.")
    return Recognised(name, text.lower(), family)


def _bitcoin_cash(text: str) -> Recognised | None:
    from bip_utils import BchBech32Decoder

    lower = text.lower()
    prefix, colon, rest = lower.rpartition(":")
    if colon and text not in (lower, text.upper()):
        return None
    hrp = prefix if colon else "bitcoincash"
    version, _ = BchBech32Decoder.Decode(hrp, f"{hrp}:{rest}")
    if hrp != "bitcoincash":
        return Recognised("Bitcoin Cash's test network", lower)
    if version not in (b"\x00", b"\x08"):
        return Recognised("Bitcoin Cash", lower, "bitcoin-cash", "Addresses of this kind are not taken.")
    return Recognised("Bitcoin Cash", f"{hrp}:{rest}", "bitcoin-cash")


def _evm(text: str) -> Recognised | None:
    from bip_utils import EthAddrDecoder

    EthAddrDecoder.DecodeAddr(text)  # refuses what is not in EIP-55's mixed case
    return Recognised("Ethereum or another network of its kind", text, "evm")


def _solana(text: str) -> Recognised | None:
    from bip_utils import SolAddrDecoder

    SolAddrDecoder.DecodeAddr(text)  # 32 bytes that are a point of the curve: a wallet, not a program's account
    return Recognised("Solana", text, "solana")


def _xrp(text: str) -> Recognised | None:
    from bip_utils import Base58Alphabets, Base58Decoder

    raw = Base58Decoder.CheckDecode(text, Base58Alphabets.RIPPLE)
    if len(raw) == 21 and raw[0] == 0:
        return Recognised("XRP Ledger", text, "xrp")
    if raw[:2] == b"\x05\x44":
        return Recognised("XRP Ledger", text, "xrp", "Give the classic form of the address, which begins with r.")
    return Recognised("XRP Ledger's test network", text) if raw[:2] == b"\x04\x93" else None


def _polkadot(text: str) -> Recognised | None:
    from bip_utils import SS58Decoder

    network, key = SS58Decoder.Decode(text)
    if len(key) != 32:
        return None
    if network == 0:
        return Recognised("Polkadot", text, "polkadot")
    return Recognised(_SUBSTRATES.get(network, "another Substrate network"), text)


def _tezos(text: str) -> Recognised | None:
    from bip_utils import Base58Decoder

    raw = Base58Decoder.CheckDecode(text)
    if len(raw) != 23:
        return None
    if raw[:3] in _TEZOS:
        return Recognised("Tezos", text, "tezos")
    if raw[:3] == b"\x02\x5a\x79":
        return Recognised("Tezos", text, "tezos", "This is a contract's address; give a wallet's (tz1…, tz2… or tz3…).")
    return None


def _cardano(text: str) -> Recognised | None:
    from bip_utils import Bech32Decoder

    hrp = text.lower().rpartition("1")[0]
    raw = Bech32Decoder.Decode(hrp, text)
    if hrp == "addr_test":
        return Recognised("Cardano's test network", text)
    if (raw[0], len(raw)) in {(0x01, 57), (0x61, 29)}:
        return Recognised("Cardano", text.lower(), "cardano")
    return Recognised("Cardano", text, "cardano", "Give a wallet's payment address (addr1q… or addr1v…).")


_READERS: Final = (
    _Reader("bitcoin", re.compile(r"(?i:bc1)[A-Za-z0-9]{6,87}"), _segwit),
    _Reader("litecoin", re.compile(r"(?i:ltc1)[A-Za-z0-9]{6,87}"), _segwit),
    _Reader(None, re.compile(r"(?i:tb1|bcrt1|tltc1)[A-Za-z0-9]{6,87}"), _segwit),
    _Reader("bitcoin", re.compile(rf"[13][{_BASE58}]{{24,34}}"), _legacy),
    _Reader("litecoin", re.compile(rf"[LM][{_BASE58}]{{24,34}}"), _legacy),
    _Reader("dogecoin", re.compile(rf"[D9A][{_BASE58}]{{24,34}}"), _legacy),
    _Reader(None, re.compile(rf"[TmnQ2][{_BASE58}]{{24,34}}"), _legacy),
    _Reader("bitcoin-cash", re.compile(r"(?i:(bitcoincash|bchtest):)?[A-Za-z0-9]{42}"), _bitcoin_cash),
    _Reader(None, re.compile(r"(?i:bchtest):[A-Za-z0-9]{42}"), _bitcoin_cash),
    _Reader("evm", re.compile(r"0[xX][0-9A-Fa-f]{40}"), _evm),
    _Reader("xrp", re.compile(rf"[rXT][{_BASE58}]{{24,50}}"), _xrp),
    _Reader("tezos", re.compile(rf"(tz[123]|KT1)[{_BASE58}]{{33}}"), _tezos),
    _Reader("cardano", re.compile(r"(?i:addr1|addr_test1|stake1)[A-Za-z0-9]{20,110}"), _cardano),
    _Reader("polkadot", re.compile(rf"[{_BASE58}]{{46,49}}"), _polkadot),
    _Reader("solana", re.compile(rf"[{_BASE58}]{{32,44}}"), _solana),
)


def chain_of(network: Network) -> str | None:
    """What the venue is told of the chain: nothing where it derives it from coin and address."""
    return network.chain if network.named else None


def same_address(one: str, other: str) -> bool:
    """Whether two texts are one address: capitals only matter where they carry a checksum or a value."""
    if one == other:
        return True
    either = one.casefold()
    return either == other.casefold() and either.startswith(("0x", "bc1", "ltc1", "bitcoincash:", "addr1"))
