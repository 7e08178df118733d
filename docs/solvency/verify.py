"""Check that what you are owed is in the published sum. Needs Python 3 and nothing else; asks nobody.

    python3 verify.py proof.json report.json

`proof.json` is your own proof (GET /api/solvency/proof, while you are logged in); `report.json` is what everybody sees
(GET /api/solvency): get it from somewhere else than the proof, so that nobody can show you a report of your own.
"""

import hashlib
import json
import sys

SCHEME = "bitcurrent.solvency.v1"


def digest(*parts):
    """The scheme's hash: SHA-256 over the parts with a zero byte between them."""
    return hashlib.sha256("\0".join((SCHEME, *parts)).encode()).hexdigest()


def units(text):
    """An amount as whole units of 10^-18; refuses anything negative or not plain."""
    whole, _, fraction = text.partition(".")
    if not (
        whole.isdigit() and (fraction.isdigit() or not fraction) and len(fraction) <= 18
    ):
        raise ValueError("not an amount: " + text)
    return int(whole + fraction.ljust(18, "0"))


def climb(proof):
    """The root hash and sum that one proof leads to."""
    total = units(proof["amount"])
    here = digest("leaf", proof["salt"], proof["account"], proof["asset"], str(total))
    for step in proof["steps"]:
        beside = units(step["sum"])
        if step["side"] == "left":
            here = digest("node", step["hash"], str(beside), here, str(total))
        elif step["side"] == "right":
            here = digest("node", here, str(total), step["hash"], str(beside))
        else:
            raise ValueError("a step stands left or right")
        total += beside
    return here, total


def check(proofs, report):
    """What is wrong, one sentence for each proof that fails; nothing when all is well."""
    if proofs["scheme"] != SCHEME or report["scheme"] != SCHEME:
        return ["This script knows " + SCHEME + " only."]
    if proofs["report_id"] != report["id"]:
        return ["The proof belongs to another report."]
    published = {asset["asset"]: asset for asset in report["assets"]}
    wrong = []
    for proof in proofs["proofs"]:
        asset = published.get(proof["asset"])
        if asset is None:
            wrong.append("The report says nothing about " + proof["asset"] + ".")
            continue
        root, total = climb(proof)
        if root != asset["root"]:
            wrong.append("Your " + proof["asset"] + " is not in the published tree.")
        elif total != units(asset["owed"]):
            wrong.append(
                "The tree of "
                + proof["asset"]
                + " has another sum than the published one."
            )
    return wrong


def main():
    """Read both files and say what came of it; the exit code is 1 when anything is wrong."""
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        proofs = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        report = json.load(file)
    try:
        wrong = check(proofs, report)
    except (ValueError, KeyError, TypeError) as error:
        wrong = ["The files are not what they should be: " + repr(error)]
    for sentence in wrong:
        print("WRONG: " + sentence)
    if not wrong:
        for proof in proofs["proofs"]:
            print(
                "Included: "
                + proof["amount"]
                + " "
                + proof["asset"]
                + " of the report of "
                + report["as_of"]
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
