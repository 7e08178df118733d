"""The file that tells a bank to pay: ISO 20022 pain.001.001.09, customer credit transfer initiation. Pure.

Checked against the standard's own schema in tests. EUR goes by SEPA, other currencies as ordinary transfers with
charges shared. Names are written in the letters that every bank takes.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from xml.etree import ElementTree as ET

from anyascii import anyascii

from bitcurrent.funding.bank_accounts.model import BankDetails
from bitcurrent.funding.payouts.model import Batch, Payment
from bitcurrent.kernel.money import EXACT

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_LETTERS = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
_CLEARING = {"gb": "GBDSC", "us": "USABA"}
NAME_MAX = 70


def payment_order(batch: Batch, payments: Sequence[Payment], own: BankDetails) -> bytes:
    """The file of a batch: the same bytes each time."""
    root = ET.Element("Document", xmlns=NAMESPACE)
    initiation = ET.SubElement(root, "CstmrCdtTrfInitn")
    total = sum((payment.amount for payment in payments), Decimal(0))
    header = ET.SubElement(initiation, "GrpHdr")
    _text(header, "MsgId", batch.message_id)
    _text(header, "CreDtTm", _moment(batch.created_at))
    _text(header, "NbOfTxs", str(len(payments)))
    _text(header, "CtrlSum", _amount(total))
    _text(ET.SubElement(header, "InitgPty"), "Nm", _name(own.holder))
    part = ET.SubElement(initiation, "PmtInf")
    _text(part, "PmtInfId", batch.message_id)
    _text(part, "PmtMtd", "TRF")
    _text(part, "NbOfTxs", str(len(payments)))
    _text(part, "CtrlSum", _amount(total))
    if batch.currency == "EUR":
        _text(ET.SubElement(ET.SubElement(part, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    _text(ET.SubElement(part, "ReqdExctnDt"), "Dt", batch.created_at.date().isoformat())
    _text(ET.SubElement(part, "Dbtr"), "Nm", _name(own.holder))
    _account(ET.SubElement(part, "DbtrAcct"), own, currency=batch.currency)
    _bank(ET.SubElement(part, "DbtrAgt"), own, required=True)
    _text(part, "ChrgBr", "SLEV" if batch.currency == "EUR" else "SHAR")
    for payment in payments:
        _transfer(part, payment, batch.currency)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _transfer(part: ET.Element, payment: Payment, currency: str) -> None:
    transfer = ET.SubElement(part, "CdtTrfTxInf")
    _text(ET.SubElement(transfer, "PmtId"), "EndToEndId", payment.reference)
    amount = ET.SubElement(ET.SubElement(transfer, "Amt"), "InstdAmt", Ccy=currency)
    amount.text = _amount(payment.amount)
    if payment.to.bank is not None:
        _bank(ET.SubElement(transfer, "CdtrAgt"), payment.to, required=False)
    _text(ET.SubElement(transfer, "Cdtr"), "Nm", _name(payment.to.holder))
    _account(ET.SubElement(transfer, "CdtrAcct"), payment.to)
    _text(ET.SubElement(transfer, "RmtInf"), "Ustrd", f"Withdrawal {payment.reference}")


def _account(parent: ET.Element, details: BankDetails, *, currency: str | None = None) -> None:
    identity = ET.SubElement(parent, "Id")
    if details.scheme == "iban":
        _text(identity, "IBAN", details.account)
    else:
        _text(ET.SubElement(identity, "Othr"), "Id", details.account)
    if currency is not None:
        _text(parent, "Ccy", currency)


def _bank(parent: ET.Element, details: BankDetails, *, required: bool) -> None:
    institution = ET.SubElement(parent, "FinInstnId")
    if details.scheme == "iban" and details.bank is not None:
        _text(institution, "BICFI", details.bank)
    elif details.bank is not None:
        member = ET.SubElement(institution, "ClrSysMmbId")
        _text(ET.SubElement(member, "ClrSysId"), "Cd", _CLEARING[details.scheme])
        _text(member, "MmbId", details.bank)
    elif required:
        _text(ET.SubElement(institution, "Othr"), "Id", "NOTPROVIDED")


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _name(text: str) -> str:
    return _LETTERS.sub(" ", anyascii(text))[:NAME_MAX].strip() or "Customer"


def _amount(amount: Decimal) -> str:
    return f"{EXACT.quantize(amount, Decimal('0.01')):f}"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
