"""The demo's bank: it reads our payment order and answers with a status report and a statement, and pays nobody.

Its answers go through the same door as a real bank's. It makes batches without asking two people, which the table of
batches marks as the demo's; the settings refuse it in production.
"""

import asyncio
from collections import Counter
from typing import Final
from xml.etree import ElementTree as ET

import asyncpg
import structlog
from defusedxml.ElementTree import fromstring

from bitcurrent.compliance.stops.model import Stopped
from bitcurrent.funding.payouts.model import BATCH_MAX, NothingToPay
from bitcurrent.funding.payouts.orders_file import NAMESPACE
from bitcurrent.funding.payouts.service import Payouts
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Unavailable)
_NS = {"p": NAMESPACE}


class DemoBank:
    """Takes what waits, and says at once that it was paid."""

    def __init__(self, *, database: Database, payouts: Payouts, counts: Counter[str]) -> None:
        self._database = database
        self._payouts = payouts
        self._counts = counts

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.day()
            except TROUBLE as error:
                log.warning("demo_bank_waits", error=f"{type(error).__name__}: {error}"[:200])
            except Exception:
                log.exception("demo_bank_failed")
                self._counts["demo_bank_failed"] += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def day(self) -> int:
        """One bank day: what waits is ordered and answered; how many batches were made."""
        async with self._database.read() as connection:
            waiting = await self._payouts.waiting(connection)
            unanswered = await self._payouts.unanswered_of_demo(connection)
        made = 0
        for each in waiting:
            try:
                async with self._database.transaction() as connection:
                    batch = await self._payouts.make_demo(connection, each.currency, limit=BATCH_MAX)
            except (NothingToPay, Stopped):
                continue
            made += 1
            crash_point("demo_bank.ordered")
            unanswered.append(batch.id)
        for batch_id in unanswered:
            async with self._database.transaction() as connection:
                order = await self._payouts.file(connection, batch_id, actor=None, address=None)
            status, statement = answers_to(order)
            for answer in (status, statement):
                async with self._database.transaction() as connection:
                    await self._payouts.take_file(connection, answer, actor=None, address=None)
        return made


def answers_to(order: bytes) -> tuple[bytes, bytes]:
    """What a bank that took everything says: a status report (pain.002) and a statement (camt.053)."""
    root = fromstring(order, forbid_dtd=True)
    message = root.findtext(".//p:MsgId", "", _NS)
    today = now().date().isoformat()
    payments = [
        (transfer.findtext("p:PmtId/p:EndToEndId", "", _NS), transfer.find("p:Amt/p:InstdAmt", _NS))
        for transfer in root.iterfind(".//p:CdtTrfTxInf", _NS)
    ]
    report = ET.Element("Document", xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10")
    group = ET.SubElement(ET.SubElement(report, "CstmrPmtStsRpt"), "OrgnlGrpInfAndSts")
    _text(group, "OrgnlMsgId", message)
    _text(group, "GrpSts", "ACSP")
    document = ET.Element("Document", xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08")
    statement = ET.SubElement(ET.SubElement(document, "BkToCstmrStmt"), "Stmt")
    _text(statement, "Id", message)
    for reference, amount in payments:
        entry = ET.SubElement(statement, "Ntry")
        _text(entry, "Amt", (amount.text if amount is not None else None) or "")
        entry[0].set("Ccy", amount.get("Ccy", "") if amount is not None else "")
        _text(entry, "CdtDbtInd", "DBIT")
        _text(ET.SubElement(entry, "Sts"), "Cd", "BOOK")
        _text(ET.SubElement(entry, "BookgDt"), "Dt", today)
        _text(entry, "AcctSvcrRef", f"demo-{reference}")
        refs = ET.SubElement(ET.SubElement(ET.SubElement(entry, "NtryDtls"), "TxDtls"), "Refs")
        _text(refs, "EndToEndId", reference)
    return ET.tostring(report), ET.tostring(document)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text
