"""Addresses by their form: what is taken, and what a refusal says is wrong."""

import random
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.funding.addresses.model import (
    DESTINATION_STEPS,
    TRANSFER_STEPS,
    AddressWish,
    Beneficiary,
    BeneficiaryIncomplete,
    TagNotPossible,
    mask,
    read_words,
)
from bitcurrent.funding.addresses.networks import (
    COINS,
    NETWORKS,
    AddressInvalid,
    NoWithdrawals,
    network_of,
    read_address,
    recognise,
    same_address,
)
from bitcurrent.funding.addresses.service import check_wish
from bitcurrent.kernel.errors import Invalid
from bitcurrent_sandbox.alpaca.assets import COINS as LISTED

# Published examples of each form.
TAKEN = {
    "bitcoin": (
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
        "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
    ),
    "ethereum": ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"),
    "solana": ("7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV",),
    "xrp": ("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",),
    "litecoin": (
        "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1",
        "MQMcJhpWHYVeQArcZR3sBgyPZxxRtnH441",
        "ltc1qg42tkwuuxefutzxezdkdel39gfstuap288mfea",
    ),
    "dogecoin": ("DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",),
    "bitcoin-cash": ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",),
    "avalanche": ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",),
    "polkadot": ("15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",),
    "tezos": ("tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb",),
    "cardano": (
        "addr1qx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzer3n0d3vllmyqwsx5wktcd8cc3sq835lu7drv2xwl2wywfgse35a3x",
        "addr1vx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzers66hrl8",
    ),
}
REFUSED = (
    ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum"),
    ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "checksum"),
    ("bitcoin", "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "checksum"),  # capitals and small letters mixed
    ("bitcoin", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "test_network"),
    ("bitcoin", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "test_network"),
    ("bitcoin", "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "another_network"),
    ("bitcoin", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "another_network"),
    ("bitcoin", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "another_network"),
    ("bitcoin", "1BitcoinEaterAddressDontSendf59kuE", "unspendable"),
    ("bitcoin", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "form"),
    ("ethereum", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "no_checksum"),
    ("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "checksum"),
    ("ethereum", "0x0000000000000000000000000000000000000000", "unspendable"),
    ("ethereum", "0xdAC17F958D2ee523a2206206994597C13D831ec7", "unspendable"),
    ("ethereum", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "another_network"),
    ("solana", "11111111111111111111111111111111", "unspendable"),
    ("xrp", "X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cqZ", "form"),
    ("tezos", "KT1PWx2mnDueood7fEmfbBDKx1D9BAnnXitn", "form"),
    ("cardano", "addr_test1vz2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzerspjrlsz", "test_network"),
    ("cardano", "stake1uyehkck0lajq8gr28t9uxnuvgcqrc6070x3k9r8048z8y5gh6ffgw", "form"),
    ("polkadot", "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F", "another_network"),
    ("bitcoin", "<script>alert(1)</script>", "malformed"),
    ("bitcoin", "", "malformed"),
    ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\u200b", "malformed"),
)  # fmt: skip


@pytest.mark.parametrize(("network", "address"), [(n, a) for n, found in TAKEN.items() for a in found])
def test_addresses_of_a_network_are_taken(network: str, address: str) -> None:
    assert read_address(f"  {address} ", NETWORKS[network]) == address


def test_forms_that_may_be_written_otherwise_are_kept_in_one_form() -> None:
    assert read_address(TAKEN["bitcoin"][2].upper(), NETWORKS["bitcoin"]) == TAKEN["bitcoin"][2]
    short = TAKEN["bitcoin-cash"][0].removeprefix("bitcoincash:")
    assert read_address(short, NETWORKS["bitcoin-cash"]) == TAKEN["bitcoin-cash"][0]
    assert same_address(TAKEN["ethereum"][0].lower(), TAKEN["ethereum"][0])
    assert not same_address(TAKEN["solana"][0].lower(), TAKEN["solana"][0])


@pytest.mark.parametrize(("network", "address", "fault"), REFUSED)
def test_a_refusal_names_what_is_wrong(network: str, address: str, fault: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        read_address(address, NETWORKS[network])
    assert (refused.value.details["fault"], refused.value.field) == (fault, "address")


def test_an_address_of_another_network_says_which_one_it_is() -> None:
    with pytest.raises(AddressInvalid, match="Litecoin") as refused:
        read_address("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", NETWORKS["bitcoin"])
    assert refused.value.details["found"] == "Litecoin"


def test_mistyped_addresses_are_not_taken_for_others() -> None:
    """5,000 addresses with one to three mistakes: none passes, except where the network itself has no checksum."""
    chance, letters = random.Random(7), "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0lIO:"
    good = [(network, address) for network, found in TAKEN.items() for address in found if network != "solana"]
    passed = 0
    for _ in range(5_000):
        network, address = chance.choice(good)
        typed = list(address)
        for _ in range(chance.randint(1, 3)):
            typed[chance.randrange(len(typed))] = chance.choice(letters)
        found = recognise("".join(typed))
        same = found is not None and found.text == address
        passed += found is not None and found.family == NETWORKS[network].family and not same
    print(f"  5000 mistyped addresses, {passed} taken")
    assert passed == 0


def test_every_coin_of_the_venue_leaves_or_is_refused_by_name() -> None:
    listed = {coin.code for coin in LISTED}
    assert listed - set(COINS) == {"POL"}
    assert set(COINS) <= listed
    for code in ("POL", "NOPE"):
        with pytest.raises(NoWithdrawals, match=f"no withdrawals of {code}"):
            network_of(code, "ethereum")
    with pytest.raises(NoWithdrawals, match="leaves over ethereum or solana") as refused:
        network_of("USDT", "tron")
    assert refused.value.field == "network"


def wish(**changes: object) -> AddressWish:
    usual: dict[str, object] = {"asset": "BTC", "network": "bitcoin", "address": TAKEN["bitcoin"][0], "label": "cold"}
    return AddressWish(**(usual | changes))  # type: ignore[arg-type]  # each test gives what fits


@pytest.mark.parametrize("label", ["", "<b>bold</b>", "a\x00b", "right\u202eleft", "x" * 61])
def test_labels_are_plain_words(label: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_wish(wish(label=label))
    assert refused.value.field == "label"
    assert read_words("  Zoë's   cold wallet ", field="label", most=60) == "Zoë's cold wallet"


def test_a_tag_is_refused_and_so_are_providers_where_one_is_needed() -> None:
    with pytest.raises(TagNotPossible):
        check_wish(wish(tag="12345"))
    ripple = {"asset": "XRP", "network": "xrp", "address": TAKEN["xrp"][0]}
    hosted = Beneficiary(receiver="hosted", name="Ann", provider="Kraken", country="US")
    with pytest.raises(TagNotPossible):
        check_wish(wish(**ripple, beneficiary=hosted))
    with pytest.raises(BeneficiaryIncomplete):
        check_wish(wish(**ripple))
    own = Beneficiary(receiver="own_wallet")
    assert check_wish(wish(**ripple, beneficiary=own)).beneficiary == own


@pytest.mark.parametrize("missing", ["name", "provider", "country"])
def test_a_receiver_at_a_provider_is_said_wholly(missing: str) -> None:
    whole = {"name": "Ann Other", "provider": "Kraken", "country": "us"}
    read = check_wish(wish(beneficiary=Beneficiary(receiver="hosted", **whole))).beneficiary
    assert read is not None
    assert read.country == "US"
    with pytest.raises(BeneficiaryIncomplete) as refused:
        check_wish(wish(beneficiary=Beneficiary(receiver="hosted", **{**whole, missing: ""})))
    assert refused.value.field == f"beneficiary.{missing}"
    with pytest.raises(Invalid):
        check_wish(wish(beneficiary=Beneficiary(receiver="own_wallet", name="Ann")))


def test_a_masked_address_shows_its_ends() -> None:
    assert mask(TAKEN["bitcoin"][2]) == "bc1qw50…8f3t4"


def test_the_database_lets_states_go_where_the_model_does() -> None:
    source = resources.files("bitcurrent.funding.addresses").joinpath("functions.sql").read_text()
    for table, steps in (("venue_destinations", DESTINATION_STEPS), ("wallet_transfers", TRANSFER_STEPS)):
        call = source.partition(f"guard_states('{table}'")[2].partition(");")[0]
        assert set(re.findall(r"\w+>\w+", call)) == {
            f"{one}>{other}" for one, others in steps.items() for other in others
        }


@given(st.text(max_size=130), st.sampled_from(sorted(NETWORKS)))
def test_any_text_is_an_address_or_refused_in_words(text: str, network: str) -> None:
    faults = []
    try:
        read_address(text, NETWORKS[network])
    except AddressInvalid as refused:
        faults.append(refused.details["fault"])
    assert all(faults)
