"""Rules that are edited under a running daemon: by request, by watching, over a restart, with files that are wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from memonotify.app import App
from memonotify.cli.starting import load_to_serve
from memonotify.errors import ConfigError, StoreUnavailable
from memonotify.model import FailureKind
from memonotify.unixsocket import reachable

CONFIG = """
server: {listen: '127.0.0.1:0', allowed_ips: [any]}
admin: {listen: '127.0.0.1:0', token: admin-token}
store: sqlite:///var/s.db
workspaces: [{name: acme, tokens: [a-token]}]
channels:
  erp: {type: http, url: 'http://127.0.0.1:1/'}
  mail: {type: email, host: h.example, from: a@h.example, to: [b@h.example]}
on_failure: {channel: erp}
rules: ['rules/*.yaml']
"""
BROKEN = "rules:\n  - name: x\n    mtch: {}\n"


def rule(name: str, version: int = 1) -> str:
    return f"""rules:
  - name: {name}
    match: {{event_type: iban_created}}
    fetch: false
    notify: [{{channel: erp, json: {{version: {version}}}}}]
"""


MAIL = """rules:
  - name: mail
    match: {event_type: iban_created}
    fetch: false
    notify: [{channel: mail, subject: s, html: m.html.j2}]
"""


class Site:
    """A folder with a configuration, and the daemon on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app: App | None = None
        (folder / "rules").mkdir()
        (folder / "templates").mkdir()
        self.configure()

    def configure(self, extra: str = "") -> None:
        (self.folder / "config.yaml").write_text(CONFIG + extra)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    async def start(self) -> App:
        loaded, in_force = await asyncio.to_thread(load_to_serve, self.folder / "config.yaml", node=None)
        self.app = App(loaded.config, in_force)
        await self.app.start()
        return self.app

    async def restart(self) -> App:
        await self.stop()
        return await self.start()

    async def stop(self) -> None:
        if self.app is not None:
            await self.app.stop(0)
            self.app = None

    async def reload(self) -> tuple[int, Any]:
        """Ask the control socket, as the command does."""
        with reachable(self.folder / "var" / "s.db.sock") as name:
            transport = httpx.AsyncHTTPTransport(uds=name)
            async with httpx.AsyncClient(transport=transport, base_url="http://memonotify", timeout=30) as client:
                answer = await client.post("/api/reload")
        return answer.status_code, answer.json()

    async def get(self, path: str) -> Any:
        assert self.app is not None
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"Authorization": "Bearer admin-token"}
            return (await client.get(f"http://{self.app.admin_address}{path}", headers=headers)).json()

    @property
    def versions(self) -> dict[str, int]:
        """Return what each rule in force would write; of the mail, nothing."""
        assert self.app is not None
        rules = self.app.reloader.ruleset.rules
        return {
            each.name: each.notify[0].message.render({})["json"]["version"] for each in rules if each.name != "mail"
        }

    async def told(self) -> list[str]:
        assert self.app is not None
        return [
            failure["file"]
            for delivery in await self.app.store.deliveries()
            if delivery.rule == "on_failure"
            for failure in delivery.payload["json"]["failures"]
        ]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    site.write("rules/a.yaml", rule("a"))
    site.write("rules/b.yaml", rule("b"))
    yield site
    await site.stop()


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"there was not: {what}")


async def test_a_reload_answers_what_changed_by_rule(site: Site) -> None:
    await site.start()
    site.write("rules/a.yaml", rule("a", 2))
    site.write("rules/c.yaml", rule("c"))
    (site.folder / "rules" / "b.yaml").unlink()
    status, answer = await site.reload()
    assert status == 200
    assert answer["ok"] is True
    shown = {
        word: [(each["rule"], Path(each["file"]).name, each["line"]) for each in answer[word]]
        for word in answer
        if word in ("added", "changed", "removed")
    }
    assert shown == {"added": [("c", "c.yaml", 2)], "changed": [("a", "a.yaml", 2)], "removed": [("b", "b.yaml", 2)]}
    assert site.versions == {"a": 2, "c": 1}
    assert (answer["problems"], answer["degraded"], answer["remarks"], answer["rules"]) == ([], [], [], 2)


async def test_a_broken_file_is_answered_shown_and_told_while_the_good_ones_are_live(site: Site) -> None:
    await site.start()
    site.write("rules/a.yaml", BROKEN)
    site.write("rules/b.yaml", rule("b", 2))
    with capture_logs() as logs:
        status, answer = await site.reload()
        await site.reload()
    assert (status, answer["ok"], answer["code"]) == (422, False, "files_wrong")
    assert answer["message"].endswith("a.yaml is wrong; its last good version stays in force.")
    assert [(each["line"], each["column"]) for each in answer["problems"]] == [(2, 5), (3, 5)]
    assert site.versions == {"a": 1, "b": 2}
    ready = await site.get("/readyz")
    assert ready["ready"] is True
    (degraded,) = ready["degraded"]
    assert degraded["file"].endswith("rules/a.yaml")
    assert degraded["last_good"] is True
    assert degraded["problems"][1].endswith(
        "a.yaml:3:5: unknown key `mtch` in item 1 of `rules` (did you mean `match`?)"
    )
    state = await site.get("/api/status")
    assert state["well"] is False
    assert any("a.yaml is wrong, its last good version is in force: " in reason for reason in state["reasons"])
    assert state["degraded"] == ready["degraded"]
    # Once for two loads of the same text, one line for each problem.
    assert len([log for log in logs if log["event"] == "rule_file_refused"]) == 2
    async with asyncio.timeout(20):
        while not await site.told():
            await asyncio.sleep(0.02)
    assert [Path(file).name for file in await site.told()] == ["a.yaml"]


async def test_a_file_that_is_right_again_is_well(site: Site) -> None:
    await site.start()
    site.write("rules/a.yaml", BROKEN)
    await site.reload()
    site.write("rules/a.yaml", rule("a", 3))
    with capture_logs() as logs:
        status, _ = await site.reload()
    assert status == 200
    assert site.versions["a"] == 3
    assert "degraded" not in await site.get("/readyz")
    assert (await site.get("/api/status"))["reasons"] == []
    assert [log["file"].rpartition("/")[2] for log in logs if log["event"] == "rule_file_well"] == ["a.yaml"]


async def test_the_last_good_version_survives_a_restart_and_is_told_once(site: Site) -> None:
    site.write("rules/m.yaml", MAIL)
    site.write("templates/m.html.j2", "<p>first</p>")
    await site.start()
    site.write("rules/a.yaml", BROKEN)
    site.write("templates/m.html.j2", "{{ (")
    await site.reload()
    app = await site.restart()
    assert site.versions == {"a": 1, "b": 1}
    mail = app.reloader.ruleset.rule("mail")
    assert mail is not None
    assert "first" in mail.notify[0].message.render({})["html"]
    assert len((await site.get("/readyz"))["degraded"]) == 2
    failures = [each for each in await app.store.untold_failures() if each.kind is FailureKind.FILE_REFUSED]
    assert len(failures) + len(await site.told()) == 2
    # While it was down, the good file was edited as well.
    await site.stop()
    site.write("rules/b.yaml", rule("b", 2))
    await site.start()
    assert site.versions == {"a": 1, "b": 2}


async def test_a_file_that_broke_while_nothing_ran_starts_in_its_last_good_version(site: Site) -> None:
    await site.start()
    await site.stop()
    site.write("rules/a.yaml", "\x00")
    await site.start()
    assert site.versions == {"a": 1, "b": 1}


async def test_nothing_starts_where_a_file_has_no_good_version(site: Site) -> None:
    site.write("rules/c.yaml", BROKEN)
    with pytest.raises(ConfigError) as caught:
        await site.start()
    assert [Path(problem.file).name for problem in caught.value.problems] == ["c.yaml", "c.yaml"]
    (site.folder / "rules" / "c.yaml").unlink()
    await site.start()
    await site.stop()
    # Of the other two there are good versions by now, and of the third still none.
    site.write("rules/a.yaml", BROKEN)
    site.write("rules/c.yaml", BROKEN)
    with pytest.raises(ConfigError) as caught:
        await site.start()
    assert {Path(problem.file).name for problem in caught.value.problems} == {"a.yaml", "c.yaml"}


async def test_a_last_good_version_that_todays_configuration_does_not_allow_is_none(site: Site) -> None:
    await site.start()
    await site.stop()
    config = (site.folder / "config.yaml").read_text().replace("erp", "ledger")
    (site.folder / "config.yaml").write_text(config)
    site.write("rules/b.yaml", rule("b").replace("erp", "ledger"))
    site.write("rules/a.yaml", BROKEN)
    with pytest.raises(ConfigError):
        await site.start()


async def test_where_all_rule_files_are_gone_at_a_start_the_last_good_ones_are_in_force(site: Site) -> None:
    await site.start()
    await site.stop()
    shutil.rmtree(site.folder / "rules")
    await site.start()
    assert site.versions == {"a": 1, "b": 1}
    assert "no rule file matches" in (await site.get("/readyz"))["degraded"][0]["problems"][0]


async def test_a_changed_configuration_is_mentioned_and_not_used(site: Site) -> None:
    await site.start()
    site.configure("locale: en_GB\n")
    with capture_logs() as logs:
        answers = [await site.reload() for _ in range(2)]
    assert [answer["remarks"] for _, answer in answers] == [
        ["config.yaml has changed since the start: restart to use it"]
    ] * 2
    assert [log["event"] for log in logs].count("config_changed") == 1
    site.configure()
    assert (await site.reload())[1]["remarks"] == []


async def test_the_api_wants_the_token_for_a_reload(site: Site) -> None:
    app = await site.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{app.admin_address}/api/reload"
        assert (await client.post(url)).status_code == 401
        assert (await client.post(url, headers={"Authorization": "Bearer admin-token"})).status_code == 200


async def test_reloads_that_wait_are_one_and_each_has_read_the_files_as_they_are_when_it_was_asked(site: Site) -> None:
    app = await site.start()
    with capture_logs() as logs:
        first = asyncio.create_task(app.reload())
        await asyncio.sleep(0)
        site.write("rules/a.yaml", rule("a", 2))
        rest = await asyncio.gather(first, *(app.reload() for _ in range(5)))
    assert len([log for log in logs if log["event"] == "rules_reloaded"]) == 2
    assert all(answer is rest[1] for answer in rest[1:])
    assert site.versions["a"] == 2


async def test_the_loop_turns_while_many_rules_are_loaded(site: Site) -> None:
    app = await site.start()
    many = "".join(rule(f"r{number}").removeprefix("rules:\n") for number in range(300))
    site.write("rules/many.yaml", "rules:\n" + many)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    counting = asyncio.create_task(count())
    await app.reload()
    counting.cancel()
    assert len(app.reloader.ruleset.rules) == 302
    assert turns >= 5


async def test_rules_are_live_also_where_the_store_cannot_keep_them_now(site: Site) -> None:
    app = await site.start()
    site.write("rules/a.yaml", rule("a", 2))
    real = app.store.keep_files

    async def refuse(*_arguments: Any, **_options: Any) -> None:
        raise StoreUnavailable("the disk is full")

    app.store.keep_files = refuse  # type: ignore[method-assign]
    status, _ = await site.reload()
    assert (status, site.versions["a"]) == (200, 2)
    app.store.keep_files = real  # type: ignore[method-assign]
    site.write("rules/a.yaml", BROKEN)
    await site.reload()
    await site.restart()
    assert site.versions["a"] == 2


async def test_metrics_say_how_many_files_are_wrong_and_how_reloads_ended(site: Site) -> None:
    app = await site.start()
    site.write("rules/a.yaml", BROKEN)
    await site.reload()
    shown = app.metrics.exposition().decode()
    for line in (
        "memonotify_rules 2.0",
        "memonotify_rule_files_refused 1.0",
        'memonotify_reloads_total{result="refused"} 1.0',
    ):
        assert line in shown


# Watching


@pytest.fixture
async def watched(site: Site) -> Site:
    site.configure("watch: true\n")
    await site.start()
    return site


async def test_a_file_that_an_editor_replaces_is_loaded(watched: Site) -> None:
    for version in (2, 3):
        # As editors write: a new file, renamed over the old one; the old one kept aside.
        watched.write("rules/.a.yaml.swp", rule("a", version))
        (watched.folder / "rules" / "a.yaml").rename(watched.folder / "rules" / "a.yaml~")
        (watched.folder / "rules" / ".a.yaml.swp").rename(watched.folder / "rules" / "a.yaml")
        await until(lambda: watched.versions == {"a": version, "b": 1}, f"version {version}")  # noqa: B023


async def test_a_file_written_in_place_one_that_comes_and_one_that_goes_are_loaded(watched: Site) -> None:
    watched.write("rules/a.yaml", rule("a", 2))
    await until(lambda: watched.versions == {"a": 2, "b": 1}, "an edit")
    watched.write("rules/c.yaml", rule("c"))
    await until(lambda: watched.versions == {"a": 2, "b": 1, "c": 1}, "a new file")
    (watched.folder / "rules" / "b.yaml").unlink()
    await until(lambda: watched.versions == {"a": 2, "c": 1}, "a removed file")


async def test_a_folder_that_is_moved_away_and_made_anew_is_watched_further(watched: Site) -> None:
    (watched.folder / "rules").rename(watched.folder / "old")
    await until(lambda: bool(watched.app and watched.app.reloader.in_force.refused), "that no file is there")
    assert watched.versions == {"a": 1, "b": 1}
    (watched.folder / "rules").mkdir()
    watched.write("rules/a.yaml", rule("a", 2))
    await until(lambda: watched.versions == {"a": 2}, "the new folder's file")
    watched.write("rules/a.yaml", rule("a", 3))
    await until(lambda: watched.versions == {"a": 3}, "an edit in the new folder")


async def test_a_volume_whose_data_link_is_exchanged_is_loaded(site: Site) -> None:
    volume = site.folder / "volume"

    def publish(version: int) -> None:
        """As Kubernetes publishes a ConfigMap: a folder for each version, and one link that is renamed over the old."""
        data = volume / f"..2026_{version}"
        data.mkdir(parents=True)
        for name in "ab":
            (data / f"{name}.yaml").write_text(rule(name, version))
            if not (volume / f"{name}.yaml").is_symlink():
                (volume / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
        (volume / "..data_tmp").symlink_to(data.name)
        (volume / "..data_tmp").rename(volume / "..data")
        if version > 1:
            shutil.rmtree(volume / f"..2026_{version - 1}")

    publish(1)
    shutil.rmtree(site.folder / "rules")
    (site.folder / "rules").symlink_to("volume")
    site.configure("watch: true\n")
    await site.start()
    for version in (2, 3):
        publish(version)
        await until(lambda: site.versions == {"a": version, "b": version}, f"version {version}")  # noqa: B023
    # And the folder itself may be a link that is set anew.
    shutil.copytree(volume, site.folder / "other", symlinks=True)
    for name in "ab":
        (site.folder / "other" / "..2026_3" / f"{name}.yaml").write_text(rule(name, 9))
    (site.folder / "next").symlink_to("other")
    (site.folder / "next").rename(site.folder / "rules")
    await until(lambda: site.versions == {"a": 9, "b": 9}, "the other folder")


async def test_templates_are_watched_also_one_that_was_not_there(watched: Site) -> None:
    watched.write("rules/m.yaml", MAIL)
    await until(lambda: bool(watched.app and watched.app.reloader.in_force.refused), "a missing template")
    watched.write("templates/m.html.j2", "<p>there</p>")
    await until(lambda: not (watched.app and watched.app.reloader.in_force.refused), "the template")
    watched.write("templates/m.html.j2", "{{ (")
    await until(lambda: bool(watched.app and watched.app.reloader.in_force.refused), "a broken template")


async def test_what_else_is_written_beside_the_rules_loads_nothing(watched: Site) -> None:
    app = watched.app
    assert app is not None
    await until(lambda: app.reloader._stamps is not None, "the first look")
    with capture_logs() as logs:
        for number in range(20):
            watched.write("rules/.hidden.swp", json.dumps(number))
            watched.write("rules/notes.txt", json.dumps(number))
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.6)
    assert [log for log in logs if log["event"] in ("rules_reloaded", "rules_unchanged")] == []
