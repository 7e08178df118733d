"""The Merkle-sum tree: who is in it can prove it, and every way to cheat breaks a proof; checked by our own code and by
the script that customers run."""

import importlib.util
import secrets
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.kernel.money import plain
from bitcurrent.reconciliation.solvency import model
from bitcurrent.reconciliation.solvency.model import Node, Step

SCRIPT = Path(__file__).resolve().parents[3] / "docs" / "solvency" / "verify.py"


def the_script() -> ModuleType:
    """docs/solvency/verify.py as a module."""
    spec = importlib.util.spec_from_file_location("verify", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(amounts: list[int], whose: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Proof and report as the API gives them, for one asset in which everybody is owed so many units."""
    people = [(secrets.token_bytes(16), uuid4(), units) for units in amounts]
    leaves = [model.leaf(salt=salt, account=account, asset="BTC", units=units) for salt, account, units in people]
    levels = model.grow(leaves)
    (root,) = levels[-1]
    salt, account, units = people[whose]
    steps = [
        {"side": side, "hash": levels[level][place].hash.hex(), "sum": text(levels[level][place].units)}
        for level, place, side in model.neighbours(whose, [len(level) for level in levels])
    ]
    proof = {"asset": "BTC", "account": str(account), "salt": salt.hex(), "amount": text(units), "steps": steps}
    report = {
        "id": "1",
        "scheme": model.SCHEME,
        "as_of": "now",
        "assets": [{"asset": "BTC", "owed": text(root.units), "root": root.hash.hex()}],
    }
    return {"report_id": "1", "scheme": model.SCHEME, "proofs": [proof]}, report


def text(units: int) -> str:
    return plain(model.amount_of(units))


@given(st.lists(st.integers(0, 10**30), min_size=1, max_size=40), st.data())
def test_everybody_is_in_the_sum(amounts: list[int], data: st.DataObject) -> None:
    whose = data.draw(st.integers(0, len(amounts) - 1))
    proof, report = files(amounts, whose)
    assert the_script().check(proof, report) == []
    assert the_script().units(report["assets"][0]["owed"]) == sum(amounts)


def spoil(proof: dict[str, Any], report: dict[str, Any], how: str) -> None:
    (mine,) = proof["proofs"]
    (asset,) = report["assets"]
    if how == "my amount":
        mine["amount"] = text(int(the_script().units(mine["amount"])) + 1)
    elif how == "my salt":
        mine["salt"] = secrets.token_hex(16)
    elif how == "my account":
        mine["account"] = str(uuid4())
    elif how == "the sum":
        asset["owed"] = text(int(the_script().units(asset["owed"])) - 1)
    elif how == "a neighbour's sum":
        mine["steps"][0]["sum"] = text(int(the_script().units(mine["steps"][0]["sum"])) + 5)
    elif how == "a neighbour's hash":
        mine["steps"][-1]["hash"] = secrets.token_hex(32)
    elif how == "a neighbour's side":
        step = mine["steps"][0]
        step["side"] = "left" if step["side"] == "right" else "right"
    elif how == "a step less":
        mine["steps"].pop()
    elif how == "another asset":
        mine["asset"] = asset["asset"] = "ETH"
    elif how == "another report":
        report["id"] = "2"


@pytest.mark.parametrize(
    "how",
    [
        "my amount", "my salt", "my account", "the sum", "a neighbour's sum", "a neighbour's hash",
        "a neighbour's side", "a step less", "another asset", "another report",
    ],
)  # fmt: skip
def test_whatever_is_changed_is_seen(how: str) -> None:
    proof, report = files([10**18, 5, 7 * 10**17, 3, 9 * 10**18], whose=2)
    assert the_script().check(proof, report) == []
    spoil(proof, report, how)
    assert len(the_script().check(proof, report)) == 1


def test_nobody_hides_a_debt_in_the_tree() -> None:
    with pytest.raises(ValueError, match="less than nothing"):
        model.leaf(salt=bytes(16), account=UUID(int=1), asset="BTC", units=-1)
    with pytest.raises(ValueError, match="less than nothing"):
        model.climb(Node(bytes(32), 10), [Step("left", Node(bytes(32), -4))])
    proof, report = files([5, 6], whose=0)
    proof["proofs"][0]["steps"][0]["sum"] = "-1"
    with pytest.raises(ValueError, match="not an amount"):
        the_script().check(proof, report)


def test_the_tree_of_nobody_has_a_root_and_no_sum() -> None:
    ((root,),) = model.grow([])
    assert (root.units, len(root.hash)) == (0, 32)


def test_units_are_exact() -> None:
    tiny = Decimal("12345678901234567890.000000000000000001")
    assert model.units_of(tiny) == 12345678901234567890000000000000000001
    assert model.amount_of(model.units_of(tiny)) == tiny
