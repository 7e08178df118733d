"""The other side of the counter: a bank that reads our file and writes its own."""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from bitcurrent.funding.payouts.orders_file import NAMESPACE

_NS = {"p": NAMESPACE}


@dataclass(frozen=True, slots=True)
class Order:
    """One payment of our file, as a bank reads it."""

    reference: str
    amount: str
    currency: str


def read_orders(file: bytes) -> tuple[str, list[Order]]:
    """The message's name and its payments."""
    root = ET.fromstring(file)
    orders = []
    for part in root.iterfind(".//p:CdtTrfTxInf", _NS):
        amount = part.find("p:Amt/p:InstdAmt", _NS)
        assert amount is not None
        orders.append(Order(part.findtext("p:PmtId/p:EndToEndId", "", _NS), amount.text or "", amount.get("Ccy", "")))
    return root.findtext(".//p:MsgId", "", _NS), orders


def status_report(file: bytes, *, group: str = "", rejected: dict[str, str] | None = None) -> str:
    """pain.002: the group's status, or each payment's; `rejected` maps references to reasons."""
    message, orders = read_orders(file)
    each = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{order.reference}</OrgnlEndToEndId>"
        + (
            f"<TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>{rejected[order.reference]}</Cd></Rsn></StsRsnInf>"
            if rejected and order.reference in rejected
            else "<TxSts>ACSP</TxSts>"
        )
        + "</TxInfAndSts>"
        for order in orders
    )
    part = "" if group else f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{message}</OrgnlPmtInfId>{each}</OrgnlPmtInfAndSts>"
    status = f"<GrpSts>{group}</GrpSts>" if group else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10">'
        "<CstmrPmtStsRpt><GrpHdr><MsgId>STATUS1</MsgId><CreDtTm>2026-11-20T10:00:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{status}"
        f"</OrgnlGrpInfAndSts>{part}</CstmrPmtStsRpt></Document>"
    )


def statement(orders: list[Order], *, name: str = "S1", incoming: bool = False, status: str = "BOOK") -> str:
    """camt.053: each payment booked by itself, out of the account or back into it."""
    entries = "".join(
        f'<Ntry><Amt Ccy="{order.currency}">{order.amount}</Amt>'
        f"<CdtDbtInd>{'CRDT' if incoming else 'DBIT'}</CdtDbtInd>"
        f"<Sts><Cd>{status}</Cd></Sts><BookgDt><Dt>2026-11-20</Dt></BookgDt>"
        f"<AcctSvcrRef>{name}-{number}</AcctSvcrRef><NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{order.reference}</EndToEndId></Refs>"
        + ("<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>" if incoming else "")
        + "</TxDtls></NtryDtls></Ntry>"
        for number, order in enumerate(orders)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>{name}</MsgId><CreDtTm>2026-11-20T18:00:00</CreDtTm></GrpHdr><Stmt>"
        f"<Id>{name}</Id><TxsSummry><TtlNtries><NbOfNtries>{len(orders)}</NbOfNtries></TtlNtries></TxsSummry>"
        f"{entries}</Stmt></BkToCstmrStmt></Document>"
    )
