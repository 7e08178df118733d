"""Letters over real SMTP into the sandbox's mailbox, and what is made of a server that refuses, hangs or is gone."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from bitcurrent.integrations.smtp.adapter import SmtpCarrier, SmtpServer
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.addresses import HERE, free_port
from bitcurrent.notifications.model import Mail
from bitcurrent.notifications.ports import NotDelivered
from bitcurrent.settings import SettingsError
from tests.support.sandbox import Sandbox

SENDER = "BitCurrent <no-reply@broker.example>"


def _mail(to: str, subject: str = "A subject – with a dash") -> Mail:
    return Mail(
        id=new_id(),
        created_at=datetime.now(UTC),
        to=to,
        subject=subject,
        text="Grüße,\n\nhttps://broker.example/account/link#verify_email=abc\n",
        html='<p>Grüße</p><a href="https://broker.example/">x</a><script>alert(1)</script>',
    )


def _carrier(url: str, seconds: float = 5) -> SmtpCarrier:
    return SmtpCarrier(SmtpServer.of(url), SENDER, timeout_seconds=seconds)


async def test_a_letter_arrives_whole(sandbox: Sandbox) -> None:
    mail = _mail("whole@example.test")
    await _carrier(sandbox.smtp_url).carry(mail)
    (letter,) = sandbox.letters("WHOLE@example.test")
    assert (letter["subject"], letter["from"]) == (mail.subject, SENDER)
    assert letter["message_id"] == f"<{mail.id}@broker.example>"
    assert letter["text"].replace("\r\n", "\n").strip() == mail.text.strip()
    assert letter["html"].replace("\r\n", "\n").strip() == mail.html
    assert letter["links"] == ["https://broker.example/account/link#verify_email=abc"]


def test_only_letters_that_may_be_switched_off_say_how() -> None:
    carrier, mail = _carrier("smtp://127.0.0.1:9"), _mail("ann@example.test")
    essential = carrier._message(mail)
    assert (essential["List-Unsubscribe"], essential["List-Unsubscribe-Post"]) == (None, None)
    other = carrier._message(replace(mail, unsubscribe="https://broker.example/api/notifications/unsubscribe/x"))
    assert other["List-Unsubscribe"] == "<https://broker.example/api/notifications/unsubscribe/x>"
    assert other["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("answer", "for_good"),
    [("451 try later", False), ("421 going down", False), ("550 no such mailbox", True), ("554 not wanted", True)],
)
async def test_what_the_server_says_decides_whether_to_try_again(sandbox: Sandbox, answer: str, for_good: bool) -> None:
    sandbox.refuse_letters(f"{answer} <who@example.test>")
    with pytest.raises(NotDelivered) as refusal:
        await _carrier(sandbox.smtp_url).carry(_mail("who@example.test"))
    assert refusal.value.for_good is for_good
    assert answer in str(refusal.value)
    assert "who@example.test" not in str(refusal.value)
    await _carrier(sandbox.smtp_url).carry(_mail("who@example.test"))


async def test_a_server_that_is_gone_or_hangs_is_tried_again() -> None:
    with pytest.raises(NotDelivered) as gone:
        await _carrier(f"smtp://{HERE}:{free_port()}").carry(_mail("a@example.test"))
    assert not gone.value.for_good
    silent = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(30), HERE, 0)
    port = silent.sockets[0].getsockname()[1]
    started = asyncio.get_running_loop().time()
    with pytest.raises(NotDelivered) as hung:
        await _carrier(f"smtp://{HERE}:{port}", seconds=0.3).carry(_mail("a@example.test"))
    assert not hung.value.for_good
    assert asyncio.get_running_loop().time() - started < 3
    silent.close()


async def test_nothing_is_sent_in_the_clear_where_encryption_was_asked_for(sandbox: Sandbox) -> None:
    port = sandbox.smtp_url.rpartition(":")[2]
    for scheme in ("smtps", "smtp+starttls"):
        with pytest.raises(NotDelivered):
            await _carrier(f"{scheme}://{HERE}:{port}", seconds=2).carry(_mail("plain@example.test"))
    assert sandbox.letters("plain@example.test", count=0) == []


async def test_an_address_cannot_add_headers(sandbox: Sandbox) -> None:
    with pytest.raises(NotDelivered) as refusal:
        await _carrier(sandbox.smtp_url).carry(_mail("a@example.test", subject="x\r\nBcc: b@example.test"))
    assert refusal.value.for_good


@pytest.mark.parametrize("url", ["http://host", "smtp://", "host:25", "smtp://host:port"])
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="BITCURRENT_SMTP_URL"):
        SmtpServer.of(url)


def test_settings_name_port_user_and_password_and_show_none_of_it() -> None:
    server = SmtpServer.of("smtps://me%40x:p%2Fw@mail.example")
    assert (server.host, server.port, server.username, server.password) == ("mail.example", 465, "me@x", "p/w")
    assert "p/w" not in repr(server)
    assert SmtpServer.of("smtp+starttls://mail.example").port == 587
    assert SmtpCarrier.of("", SENDER) is None
    with pytest.raises(SettingsError, match="BITCURRENT_MAIL_FROM"):
        SmtpCarrier.of("smtp://mail.example", "nobody")


async def test_the_mailbox_shows_letters_and_runs_no_script_of_theirs(sandbox: Sandbox) -> None:
    await _carrier(sandbox.smtp_url).carry(_mail("page@example.test", subject="<b>bold</b>"))
    (letter,) = sandbox.letters("page@example.test")
    async with httpx.AsyncClient(base_url=sandbox.url) as http:
        page = await http.get("/sandbox/mailbox", params={"to": "page@example.test"})
        assert "&lt;b&gt;bold&lt;/b&gt;" in page.text
        assert "<b>bold" not in page.text
        one = await http.get(f"/sandbox/mailbox/{letter['id']}")
        assert re.search(r'<iframe [^>]*sandbox="allow-popups allow-popups-to-escape-sandbox"', one.text)
        assert '<a href="https://broker.example/account/link#verify_email=abc"' in one.text
        inner = await http.get(f"/sandbox/mailbox/{letter['id']}/html")
        policy = inner.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "sandbox allow-popups" in policy
        assert "script" not in policy
        assert (await http.get("/sandbox/mailbox/999999")).status_code == 404
        assert (await http.put("/sandbox/mailbox/messages")).status_code == 405
