"""A report, all the way: the schedule, the stand-in's accounts and movements, the mail that a real SMTP server took."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fakes import ManualClock
from PIL import Image
from storeparts import a_delivery

from memonotify.app import App
from memonotify.cli import root
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.model import DeliveryState, Event
from memonotify.rules.loader import load_rules
from memonotify.samples.resources import Hints
from memonotify.standin.bank import StandInBank
from memonotify.standin.credentials import Credentials, make_credentials
from memonotify.standin.mailbox import Arrival, Mailbox
from memonotify.templating import Templates

WITHIN_S = 20.0

CONFIG = """
server: {{listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}}
admin: {{listen: "127.0.0.1:0"}}
store: sqlite:///store.db
timezone: UTC
locale: en_GB
workspaces:
  - name: acme
    tokens: [letmein]
    api:
      base_url: {bank}
      thumbprint: ${{env:THUMBPRINT}}
      secret: ${{env:SECRET}}
      private_key: ${{file:key.pem}}
channels:
  mail: {{type: email, host: 127.0.0.1, port: {smtp_port}, security: none, from: a@example.com, to: [b@example.com]}}
  chat: {{type: slack, url: "https://hooks.slack.example.com/x"}}
rules: [rules.yaml]
"""

RULES = """
rules:
  - name: morning-report
    report: {schedule: "0 8 * * *"}
    notify: [{channel: mail}]
"""


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return make_credentials()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC).replace(hour=7, minute=59, second=0, microsecond=0))


@pytest.fixture
async def bank(credentials: Credentials, clock: ManualClock) -> AsyncIterator[StandInBank]:
    made = StandInBank(clock=clock, random=random.Random(7), quota=100_000, credentials=credentials)
    async with made:
        yield made


class Post:
    """A mailbox that can be waited for."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Arrival] = asyncio.Queue()
        self.box = Mailbox(clock=SystemClock(), on_arrival=self.arrived.put_nowait)

    async def arrival(self) -> Arrival:
        async with asyncio.timeout(WITHIN_S):
            return await self.arrived.get()

    async def next(self) -> EmailMessage:
        return message_from_bytes((await self.arrival()).body, policy=policy.default)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    await made.box.start()
    yield made
    await made.box.stop()


class House:
    """A folder with a configuration; `app` makes a daemon on it, whose clock stands until it is moved."""

    def __init__(self, folder: Path, bank: StandInBank, smtp_port: int, clock: ManualClock) -> None:
        self.folder, self.clock = folder, clock
        self.environ = {
            "THUMBPRINT": bank.credentials.thumbprint.reveal(),
            "SECRET": bank.credentials.secret.reveal(),
        }
        (folder / "key.pem").write_text(bank.credentials.private_key.reveal())
        (folder / "config.yaml").write_text(CONFIG.format(bank=bank.url, smtp_port=smtp_port))
        (folder / "rules.yaml").write_text(RULES)

    def app(self) -> App:
        config = load_config(self.folder / "config.yaml", environ=self.environ).config
        templates = Templates(folder=None, locale=config.locale, timezone=config.timezone)
        return App(config, load_rules(config, templates).ruleset, clock=self.clock)

    async def run(self, *arguments: str) -> Result:
        """Run a command as a person would, beside this loop."""
        words = [*arguments, "-c", str(self.folder / "config.yaml")]
        return await asyncio.to_thread(CliRunner().invoke, root, words, env=self.environ)


@pytest.fixture
def house(tmp_path: Path, bank: StandInBank, post: Post, clock: ManualClock) -> House:
    return House(tmp_path, bank, post.box.smtp_port, clock)


async def look(app: App) -> None:
    await app.scheduler.look()
    await app.scheduler.idle()


async def at_eight(app: App, clock: ManualClock) -> None:
    """Let the schedule become known, and its moment come."""
    await look(app)
    clock.advance(60)
    await look(app)


def parts_of(mail: EmailMessage) -> dict[str, EmailMessage]:
    return {part.get_content_type(): part for part in mail.walk() if isinstance(part, EmailMessage)}


async def test_a_report_goes_out_at_its_moment_as_text_and_html_with_a_chart_that_the_html_shows(
    house: House, bank: StandInBank, post: Post, clock: ManualClock
) -> None:
    bank.make("transaction", "confirmed", Hints())
    async with house.app() as app:
        await at_eight(app, clock)
        mail = await post.next()
    (account, *_) = bank.books.all("account")
    parts = parts_of(mail)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "multipart/related"]
    html, picture = parts["text/html"].get_content(), parts["image/png"]
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in html
    assert picture.get_content_disposition() == "inline"
    with Image.open(io.BytesIO(picture.get_content())) as image:
        assert image.size == (1200, 400)
    for said in (parts["text/plain"].get_content(), html):
        assert account["name"] in said
        assert f"€{account['balance'] / 100:,.2f}" in said
        assert "unknown" not in said


async def test_a_second_look_and_a_second_start_send_no_second_report(
    house: House, post: Post, clock: ManualClock
) -> None:
    async with house.app() as app:
        await at_eight(app, clock)
        await look(app)
        first = await post.next()
    async with house.app() as app:
        await look(app)
        assert len(await app.store.deliveries()) == 1
        clock.advance(86400)
        await look(app)
        assert (await post.next())["Message-ID"] != first["Message-ID"]
    assert post.arrived.empty()


async def test_while_the_bank_is_away_it_waits_and_then_goes_out_and_says_what_is_missing(
    house: House, bank: StandInBank, post: Post, clock: ManualClock
) -> None:
    async with house.app() as app:
        bank.go_away()
        await at_eight(app, clock)
        (schedule,) = await app.store.schedules()
        assert schedule.attempts == 1
        assert await app.store.deliveries() == []
        clock.advance(3600)
        await look(app)
        text = parts_of(await post.next())["text/plain"].get_content()
    assert "the balances are unknown: " in text
    assert "the movements are unknown: " in text
    assert "0.00" not in text


async def test_a_bank_that_comes_back_is_asked_again(
    house: House, bank: StandInBank, post: Post, clock: ManualClock
) -> None:
    async with house.app() as app:
        bank.go_away()
        await at_eight(app, clock)
        bank.come_back()
        clock.advance(60)
        await look(app)
        text = parts_of(await post.next())["text/plain"].get_content()
    assert "NOTE" not in text
    assert bank.books.all("account")[0]["name"] in text


async def test_what_is_open_in_the_store_is_listed(
    house: House, post: Post, clock: ManualClock, bank: StandInBank
) -> None:
    async with house.app() as app:
        for number, event_type in enumerate(("attachment_required", "attachment_required", "confirmed")):
            await app.store.receive(
                Event(
                    workspace="acme",
                    id=f"e{number}",
                    date="2026-03-02T09:00:00+00:00",
                    event_type=f"wire_transfer_{event_type}",
                    resource_type="wire_transfer",
                    resource_id=f"wire-{number % 2}",
                    body={"id": f"e{number}", "resource_id": f"wire-{number % 2}", "date": "2026-03-02T09:00:00+00:00"},
                    received_at=clock.now(),
                )
            )
        await app.store.add_delivery(a_delivery("x", channel="gone", state=DeliveryState.DEAD))
        await at_eight(app, clock)
        text = parts_of(await post.next())["text/plain"].get_content()
    assert "wire-1 since" in text
    assert "wire-0" not in text
    assert "1 message could not be delivered" in text


async def test_movements_are_read_page_by_page_and_only_those_of_the_period_are_summed(
    house: House, bank: StandInBank, post: Post, clock: ManualClock
) -> None:
    (house.folder / "rules.yaml").write_text(
        RULES.replace("{channel: mail}", '{channel: mail, text: "{{ report | tojson }}"}')
    )
    (account, *_) = bank.books.all("account")
    for item in bank.books.all("transaction"):
        bank.books.forget("transaction", item["id"])
    eight = clock.now() + timedelta(minutes=1)
    for number in range(230):
        item = bank.make("transaction", "confirmed", Hints())
        item |= {"account_id": account["id"], "amount": 101, "currency": account["currency"]}
        item["direction"] = "debit" if number % 2 else "credit"
        item["execution_date"] = (eight - timedelta(minutes=10 * number)).isoformat()
    async with house.app() as app:
        await at_eight(app, clock)
        said = json.loads(parts_of(await post.next())["text/plain"].get_content())
    found = next(each for each in said["accounts"] if each["id"] == account["id"])
    # Of one day: 144 moments ten minutes apart; the one at eight itself belongs to the next report.
    assert (found["count"], found["credits"], found["debits"]) == (144, 72 * 101, 72 * 101)
    assert (len(found["movements"]), found["more"]) == (20, 124)


async def test_a_message_that_fails_to_render_goes_in_the_plain_form_with_the_figures(
    house: House, bank: StandInBank, post: Post, clock: ManualClock
) -> None:
    (house.folder / "rules.yaml").write_text(
        RULES.replace("{channel: mail}", '{channel: mail, text: "{{ report.accounts[99].balance }}"}')
    )
    async with house.app() as app:
        await at_eight(app, clock)
        text = (await post.next()).get_content()
    (account, *_) = bank.books.all("account")
    assert "plain form" in text
    assert f"{account['balance'] / 100:,.2f} EUR" in text


async def test_a_rule_in_the_shadow_makes_its_report_and_sends_none(house: House, clock: ManualClock) -> None:
    (house.folder / "rules.yaml").write_text(RULES.replace("report:", "mode: shadow\n    report:"))
    async with house.app() as app:
        await at_eight(app, clock)
        assert [delivery.state for delivery in await app.store.deliveries()] == [DeliveryState.SUPPRESSED]


async def test_retention_removes_a_report_with_its_picture(house: House, post: Post, clock: ManualClock) -> None:
    async with house.app() as app:
        await at_eight(app, clock)
        await post.next()
        async with asyncio.timeout(WITHIN_S):
            while (await app.store.deliveries())[0].state is not DeliveryState.SENT:
                await asyncio.sleep(0.01)
        await app.store.purge(before=clock.now() + timedelta(days=1))
        assert await app.store.deliveries() == []


async def test_a_reload_brings_a_new_report_under_its_schedule(house: House, clock: ManualClock) -> None:
    async with house.app() as app:
        await look(app)
        (house.folder / "rules.yaml").write_text(RULES + RULES.split("rules:")[1].replace("morning", "evening"))
        await app.reload()
        await look(app)
        assert [schedule.rule for schedule in await app.store.schedules()] == ["evening-report", "morning-report"]
        (house.folder / "rules.yaml").write_text(RULES.replace("0 8", "30 9"))
        await app.reload()
        await look(app)
        (schedule,) = await app.store.schedules()
        assert (schedule.rule, schedule.due_at.hour, schedule.due_at.minute) == ("morning-report", 9, 30)


async def test_the_command_shows_the_report_and_sends_nothing(
    house: House, bank: StandInBank, post: Post, tmp_path: Path
) -> None:
    done = await house.run("report", "morning-report", "--html", str(tmp_path / "out.html"))
    assert done.exit_code == 0, done.output
    (account, *_) = bank.books.all("account")
    assert f"€{account['balance'] / 100:,.2f}" in done.output
    assert "inline: eur.png" in done.output
    html = (tmp_path / "out.html").read_text()
    assert "cid:" not in html
    assert base64.b64decode(html.split("data:image/png;base64,")[1].split('"')[0]).startswith(b"\x89PNG")
    assert post.arrived.empty()


async def test_the_command_gives_the_figures_as_json(house: House, bank: StandInBank) -> None:
    done = await house.run("report", "morning-report", "--json", "--at", "2026-03-02T08:00:00+00:00")
    assert done.exit_code == 0, done.output
    (data,) = json.loads(done.stdout)
    assert data["until"] == "2026-03-02T08:00:00+00:00"
    assert {each["id"] for each in data["accounts"]} <= {each["id"] for each in bank.books.all("account")}


async def test_the_command_sends_where_it_is_told_to(house: House, post: Post) -> None:
    done = await house.run("report", "morning-report", "--send")
    assert done.exit_code == 0, done.output
    assert "image/png" in parts_of(await post.next())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mornin-report",), "did you mean `morning-report`?"),
        (("morning-report", "--workspace", "acmee"), "is not of workspace acmee (workspaces: `acme`)"),
    ],
)
async def test_the_command_names_what_there_is(house: House, words: tuple[str, ...], said: str) -> None:
    done = await house.run("report", *words)
    assert done.exit_code == 1
    assert said in str(done.exception)


async def test_other_commands_cope_with_reports(house: House) -> None:
    (house.folder / "event.json").write_text(
        json.dumps(
            {
                "id": "e1",
                "date": "2026-03-02T09:00:00+00:00",
                "event_type": "account_created",
                "resource_type": "account",
                "resource_id": "a1",
            }
        )
    )
    shown: dict[str, Any] = {}
    for words in (("check",), ("test",), ("try", str(house.folder / "event.json")), ("coverage",)):
        done = await house.run(*words)
        shown[words[0]] = done.output
        assert done.exit_code == 0, done.output
    assert "morning-report: a report, which is due by the clock" in shown["try"]
    assert "0 messages would be sent" in shown["try"]


async def test_the_mailbox_of_the_demo_shows_the_chart_within_the_mail(house: House, post: Post) -> None:
    done = await house.run("report", "morning-report", "--send")
    assert done.exit_code == 0, done.output
    html = (await post.arrival()).html
    assert "cid:" not in html
    assert 'src="data:image/png;base64,' in html


async def test_why_tells_when_a_report_is_due_next_and_when_it_ran_last(
    house: House, post: Post, clock: ManualClock
) -> None:
    async with house.app() as app:
        await at_eight(app, clock)
        await post.next()
    done = await house.run("why", "--rule", "morning-report")
    assert done.exit_code == 0, done.output
    tomorrow = clock.now() + timedelta(days=1)
    assert f"acme: due {tomorrow:%Y-%m-%d} 08:00:00, last {clock.now():%Y-%m-%d} 08:00:00" in done.output
