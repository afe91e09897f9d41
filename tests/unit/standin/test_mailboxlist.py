"""The mailbox's list, and what its front page opens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest
from fakes import ManualClock

from memonotify.standin.mailbox import Mailbox


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    made = Mailbox(clock=ManualClock())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def web(mailbox: Mailbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=mailbox.url, trust_env=False) as client:
        yield client


async def _mail(mailbox: Mailbox, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "finance@example.com", subject
    message.set_content("A payment failed\n\n12 500,00 €\n===========\n\nNothing was paid.")
    message.add_alternative("<p>A payment failed</p>", subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=mailbox.smtp_port, use_tls=False, start_tls=False)


async def test_the_front_page_opens_the_newest_and_still_begins_with_the_list(mailbox: Mailbox, web):
    await _mail(mailbox, "the older")
    await _mail(mailbox, "the newer")
    page = (await web.get("/")).text
    assert "<h1>the newer</h1>" in page
    assert '<a href="/messages/2" aria-current="page">' in page
    # On a phone there is room for one of the two: the list on the front page, the message on its own.
    assert "<body>" in page
    own = (await web.get("/messages/1")).text
    assert '<body class="reading">' in own
    assert "<h1>the older</h1>" in own


async def test_an_empty_mailbox_says_so(web):
    page = (await web.get("/")).text
    assert "Nothing has come in yet" in page
    assert "No messages yet" in page


async def test_an_entry_tells_to_whom_a_mail_went_and_how_it_begins(mailbox: Mailbox, web):
    await _mail(mailbox, "Payment failed")
    entry = (await web.get("/arrivals")).text
    assert '<span class="to">finance@example.com</span>' in entry
    assert '<span class="title">Payment failed</span>' in entry
    assert '<span class="snippet">A payment failed 12 500,00 € Nothing was paid.</span>' in entry


async def test_an_entry_of_slack_is_without_the_links_text_and_keeps_amounts_together(web):
    text = ":moneybag: *Martin* paid *12\u202f500,00\xa0€* <https://bank.example/1|open>"
    assert (await web.post("/slack", json={"text": text})).status_code == 200
    assert '<span class="title">💰 Martin paid 12\u202f500,00\xa0€</span>' in (await web.get("/arrivals")).text


async def test_a_mail_can_be_measured_by_the_page_but_runs_no_script(mailbox: Mailbox, web):
    await _mail(mailbox, "Payment failed")
    assert 'sandbox="allow-popups allow-same-origin"' in (await web.get("/")).text
    policy = (await web.get("/messages/1/html")).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox allow-popups allow-same-origin")
    assert "script" not in policy
