"""A hundred broken edits under a running daemon: none stops a rule or is half in force, each is told with its line."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from daemonparts import Daemon, MakeDaemon, Received, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

FILES = ("a", "b", "c", "m")
EDITS = 50
"""Broken edits in each of the two ways of loading, a hundred in all."""

Expected = tuple[str, int]
"""The file and the line that a problem must name."""


def text_of(file: str, version: int) -> str:
    """Return a rule file whose messages carry its version; `m` sends mail through a template that has its own."""
    if file == "m":
        return f"""rules:
  - name: m-1
    match: {{event_type: iban_created}}
    fetch: false
    notify:
      - channel: mail
        subject: "m-1 {version} {{{{ event.id }}}}"
        text: notice.j2
"""
    return "rules:\n" + "".join(
        f"""  - name: {file}-{number}
    match: {{event_type: iban_created}}
    fetch: false
    notify: [{{channel: erp, json: {{event: "{{{{ event.id }}}}", rule: {file}-{number}, version: {version}}}}}]
"""
        for number in (1, 2)
    )


class Editor:
    """Edits the files of one daemon: broken, and right again. Knows which versions were ever right as a whole."""

    def __init__(self, folder: Path, seed: int, *, by_rename: bool) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.by_rename = by_rename
        self.version = 0
        self.good: dict[str, set[int]] = {name: set() for name in (*FILES, "template")}
        self.broken: dict[str, Expected] = {}
        self.ways: Counter[str] = Counter()
        (folder / "rules").mkdir()
        (folder / "templates").mkdir()
        for file in FILES:
            self.repair(file)

    def next(self) -> int:
        self.version += 1
        return self.version

    def path(self, file: str) -> Path:
        return self.folder / ("templates/notice.j2" if file == "template" else f"rules/{file}.yaml")

    def write(self, file: str, content: str | bytes) -> None:
        path, raw = self.path(file), content.encode() if isinstance(content, str) else content
        if path.is_dir():
            path.rmdir()
        if not self.by_rename:
            path.write_bytes(raw)
            path.chmod(0o644)
            return
        aside = path.with_name(f".{path.name}.new")
        aside.write_bytes(raw)
        aside.rename(path)

    def repair(self, file: str) -> None:
        """Write a new version that is right."""
        version = self.next()
        self.good[file].add(version)
        if file == "m":
            of_template = self.next()
            self.good["template"].add(of_template)
            self.write("template", f"template {of_template}\n")
        self.write(file, text_of(file, version))
        self.broken.pop(file, None)

    def break_one(self, file: str) -> None:
        """Break a file in one of the ways, all of them about equally often."""
        if file in self.broken:
            self.repair(file)
        ways: list[Callable[[str], Expected]] = [
            self.truncated,
            self.unknown_key,
            self.bad_condition,
            self.missing_template,
            self.unreadable,
            self.garbage,
        ]
        if file == "m":
            ways += [self.bad_template, self.removed_template]
        elif not self.broken:
            ways += [self.duplicate]
        self.chance.shuffle(ways)
        way = min(ways, key=lambda way: self.ways[way.__name__])
        self.ways[way.__name__] += 1
        self.broken[file] = way(file)

    def _lines(self, file: str) -> list[str]:
        return text_of(file, self.next()).splitlines(keepends=True)

    def _inserted(self, file: str, line: str, *, before: str = "    fetch:") -> int:
        lines = self._lines(file)
        at = self.chance.choice([at for at, text in enumerate(lines) if text.startswith(before)])
        lines.insert(at, line)
        self.write(file, "".join(lines))
        return at + 1

    def truncated(self, file: str) -> Expected:
        """Cut within what stands in brackets or quotes: cut elsewhere, it might be right."""
        lines = self._lines(file)
        opening = "subject:" if file == "m" else "notify: ["
        at = self.chance.choice([at for at, text in enumerate(lines) if opening in text])
        least = lines[at].index(opening) + len(opening) + 3
        cut = self.chance.randrange(least, len(lines[at]) - 2)
        self.write(file, "".join(lines[:at]) + lines[at][:cut])
        return f"{file}.yaml", at + 1

    def unknown_key(self, file: str) -> Expected:
        return f"{file}.yaml", self._inserted(file, "    mtch: {event_type: iban_created}\n")

    def bad_condition(self, file: str) -> Expected:
        return f"{file}.yaml", self._inserted(file, '    when: "event.id == (1"\n')

    def missing_template(self, file: str) -> Expected:
        lines = [
            "rules:\n",
            f"  - name: {file}-1\n",
            "    match: {event_type: iban_created}\n",
            "    notify:\n",
            f'      - {{channel: mail, subject: "{file}-1 {self.next()} x", text: nobody.j2}}\n',
        ]
        self.write(file, "".join(lines))
        return f"{file}.yaml", len(lines)

    def unreadable(self, file: str) -> Expected:
        path = self.path(file)
        if os.geteuid() == 0:
            # Nothing is unreadable to root: a folder stands in its place.
            path.unlink(missing_ok=True)
            path.mkdir(exist_ok=True)
        else:
            self.write(file, text_of(file, self.next()))
            path.chmod(0)
        return f"{file}.yaml", 1

    def garbage(self, file: str) -> Expected:
        lines = self._lines(file)
        at = self.chance.randrange(len(lines))
        self.write(file, "".join(lines[:at]).encode() + b"\xff" + self.chance.randbytes(300))
        return f"{file}.yaml", at + 1

    def duplicate(self, file: str) -> Expected:
        """Take the name of a rule of an earlier or a later file; the later of the two is the problem."""
        other = self.chance.choice([each for each in ("a", "b", "c") if each != file])
        line = self._inserted(file, f"  - name: {other}-1\n    notify: [{{channel: erp}}]\n", before="  - name")
        # Taken from a later file, it is told of both; this one is held back.
        return f"{file}.yaml", line

    def bad_template(self, _file: str) -> Expected:
        self.write("template", f"template {self.next()}\n{{{{ event.id | nothing }}}}\n")
        return "notice.j2", 2

    def removed_template(self, _file: str) -> Expected:
        self.path("template").unlink(missing_ok=True)
        return "m.yaml", 8


async def degraded(daemon: Daemon) -> dict[str, list[str]]:
    """Return the problems of each file that /readyz names; it must be ready in any case."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{daemon.admin}/readyz")
    assert answer.status_code == 200
    found = answer.json()
    assert found["ready"] is True
    assert all(file["last_good"] for file in found.get("degraded", ()))
    return {Path(file["file"]).stem: file["problems"] for file in found.get("degraded", ())}


def is_told(found: dict[str, list[str]], expected: dict[str, Expected]) -> bool:
    """Whether the files that are wrong are named, each with a problem at its line, and no other but for a clash."""
    return all(
        any(f"{name}:{line}:" in problem for problem in found.get(file, ())) for file, (name, line) in expected.items()
    ) and all(
        file in expected or all("there is a rule" in problem for problem in problems)
        for file, problems in found.items()
    )


async def told(daemon: Daemon, editor: Editor) -> None:
    """Wait until the daemon says of the files what is true of them."""
    found: dict[str, list[str]] = {}
    try:
        async with asyncio.timeout(15):
            while True:
                found = await degraded(daemon)
                if is_told(found, editor.broken) and bool(found) == bool(editor.broken):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"expected {editor.broken}, was told {found}")


async def hangup(daemon: Daemon) -> None:
    """Send SIGHUP and wait until the files were loaded."""

    def loads() -> int:
        return daemon.log().count('"rules_reloaded"')

    before = loads()
    daemon.send(signal.SIGHUP)
    await until(lambda: loads() > before, "a load")


async def make(make_daemon: MakeDaemon, extra: str, seed: int, *, by_rename: bool) -> tuple[Daemon, Editor]:
    daemon = await make_daemon("", extra=extra, start=False)
    config = daemon.folder / "config.yaml"
    config.write_text(config.read_text().replace("rules: [rules.yaml]", 'rules: ["rules/*.yaml"]'))
    (daemon.folder / "rules.yaml").unlink()
    editor = Editor(daemon.folder, seed, by_rename=by_rename)
    await daemon.start()
    return daemon, editor


class Flow:
    """Events that the bank raises all the time."""

    def __init__(self, bank: StandInBank) -> None:
        self.bank = bank
        self.raised: list[str] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.raised.append((await self.bank.raise_event("iban_created"))["id"])
            await asyncio.sleep(0.1)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.wait_for(self.bank.idle(), 60)


def messages_of(receivers: Receivers) -> list[tuple[str, str, int, int | None, str]]:
    """Return event, rule, version of the rule file and of the template, and identity of every message."""

    def of_mail(received: Received) -> tuple[str, str, int, int | None, str]:
        rule, version, event = str(received.mail["Subject"]).split()
        template = received.mail.get_payload().split()[1]
        return event, rule, int(version), int(template), received.identity

    return [of_mail(received) for received in receivers.mails if received.taken] + [
        (said["event"], said["rule"], said["version"], None, received.identity)
        for received in receivers.http.get("/hook", [])
        for said in [received.json]
    ]


def assert_all_is_well(
    messages: Iterable[tuple[str, str, int, int | None, str]], raised: list[str], editor: Editor
) -> None:
    by_event: dict[str, dict[str, int]] = {}
    identities: dict[tuple[str, str], set[str]] = {}
    for event, rule, version, template, identity in messages:
        assert version in editor.good[rule[0]], f"{rule} spoke in version {version}, which was never right as a whole"
        assert template is None or template in editor.good["template"]
        by_event.setdefault(event, {})[rule] = version
        identities.setdefault((event, rule), set()).add(identity)
    assert set(by_event) == set(raised)
    for event, spoken in by_event.items():
        # Every rule that was ever in force, and the rules of one file in one version.
        assert spoken.keys() == {"a-1", "a-2", "b-1", "b-2", "c-1", "c-2", "m-1"}, event
        assert all(spoken[f"{file}-1"] == spoken[f"{file}-2"] for file in "abc"), event
    assert all(len(each) == 1 for each in identities.values())


async def finish(daemon: Daemon, editor: Editor, flow: Flow, receivers: Receivers, load: Callable[[], Any]) -> None:
    for file in list(editor.broken):
        editor.repair(file)
    await load()
    await told(daemon, editor)
    await flow.end()
    assert (len(editor.ways), editor.ways.total()) == (9, EDITS), editor.ways
    expected = len(flow.raised) * 7
    # Counted by event and rule: after a kill a message may come a second time.
    await until(lambda: len({message[:2] for message in messages_of(receivers)}) >= expected, f"{expected} messages")
    assert_all_is_well(messages_of(receivers), flow.raised, editor)
    assert await daemon.stop() == 0


async def test_broken_edits_under_sighup(make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers) -> None:
    daemon, editor = await make(make_daemon, "", 1, by_rename=False)
    flow = Flow(bank)
    for number in range(EDITS):
        for file in [each for each in editor.broken if editor.chance.random() < 0.6]:
            editor.repair(file)
        editor.break_one(editor.chance.choice(FILES))
        await hangup(daemon)
        await told(daemon, editor)
        if number == EDITS // 2:
            # The last good versions survive whatever ends the daemon.
            await daemon.kill()
            await daemon.start()
            await told(daemon, editor)
    status, _, errors = await daemon.run("reload")
    assert status == 2
    assert all(f"{name}:{line}:" in errors for name, line in editor.broken.values())
    await finish(daemon, editor, flow, receivers, lambda: hangup(daemon))


async def test_broken_edits_under_watch(make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers) -> None:
    daemon, editor = await make(make_daemon, "watch: true\n", 2, by_rename=True)
    flow = Flow(bank)
    left = EDITS
    while left:
        for file in list(editor.broken):
            editor.repair(file)
        # Several files within a moment, as a checkout of another branch writes them.
        for file in editor.chance.sample(FILES, min(left, editor.chance.choice((2, 3, 3)))):
            editor.break_one(file)
            left -= 1
        await told(daemon, editor)

    async def nothing() -> None:
        return None

    await finish(daemon, editor, flow, receivers, nothing)
