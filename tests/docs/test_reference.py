"""The pages miss nothing that the code has: commands, options, keys, metrics, log words, filters, reasons, routes."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import jinja2
import pytest
from aiohttp import web

from memonotify.admin.api import Api, admin_app
from memonotify.admin.operations import Filters, attempt_json, delivery_json, event_json
from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS, SANDBOX_ADDRESSES, WEBHOOK_ADDRESSES
from memonotify.config.durations import parse_duration
from memonotify.config.loader import load_config
from memonotify.config.schema import config_schema, rules_schema
from memonotify.errors import RETRIED, Reason, reason_of_status
from memonotify.metrics import Metrics
from memonotify.model import Attempt, Branch, Delivery, DeliveryState, Event
from memonotify.templating import Templates
from memonotify.templating.messages import FIELDS
from memonotify.templating.sandbox import SlackSandbox

from .conftest import PAGES, ROOT


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _rows(name: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table under a heading, by their first cell without backquotes."""
    section = re.split(r"^#+ ", _page(name).split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].strip("`"): row for row in cells}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_generated_tables_are_up_to_date(page: Path, generate: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert generate.filled(text) == text, "run `make docs`"


def test_every_command_and_every_option_is_on_the_commands_page(generate: ModuleType) -> None:
    page = _page("docs/commands.md")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", page, re.MULTILINE))
    for name, command in generate.commands():
        section = sections[name.removeprefix("memonotify ")]
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert f"{option}" in section, f"{name} {option}"
        assert "```console" in section, f"{name} has no example"


def test_no_page_names_an_option_that_no_command_has(generate: ModuleType) -> None:
    commands = dict(generate.commands())
    known: dict[str, set[str]] = {}
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        known.setdefault(name.split()[1], set()).update(options)
    for page in PAGES:
        for word, rest in re.findall(r"memonotify ([a-z]+)([^\n`|]*)", page.read_text(encoding="utf-8")):
            if word in known:
                for option in re.findall(r"(?<!\S)--[a-z-]+", rest.partition("&&")[0]):
                    assert option in known[word] | {"--help"}, f"{page.name}: memonotify {word} {option}"


def _all_keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in schema.values():
            yield from _all_keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _all_keys(value)


@pytest.mark.parametrize(
    ("page", "schema"),
    [("docs/configuration.md", config_schema()), ("docs/rules-reference.md", rules_schema())],
    ids=["configuration", "rules"],
)
def test_every_key_of_the_schema_is_on_its_page(page: str, schema: Mapping[str, Any]) -> None:
    text = _page(page)
    missing = [key for key in set(_all_keys(schema)) if not re.search(rf"[`.\]]{key}`", text)]
    assert not missing


def test_every_default_of_the_schema_is_the_loaders_own(alerts: Path) -> None:
    (alerts / "least.yaml").write_text(
        'workspaces: [{name: a, tokens: [t], api: {thumbprint: p, secret: s, private_key: "${env:K}"}}]\n'
        "channels:\n"
        "  mail: {type: email, host: h.example, from: a@h.example}\n"
        '  slack: {type: slack, url: "https://h.example/x"}\n'
        '  http: {type: http, url: "https://h.example/x"}\n'
        'rules: ["rules/*.yaml"]\n',
        encoding="utf-8",
    )
    config = load_config(alerts / "least.yaml", environ={}, resolve=False).config
    schema = config_schema()
    server, retry, definitions = config.server, config.retry, schema["definitions"]
    properties = schema["properties"]

    def default(part: Mapping[str, Any], name: str) -> Any:
        return part["properties"][name]["default"]

    assert str(server.listen) == default(properties["server"], "listen")
    assert server.body_timeout_s == parse_duration(default(properties["server"], "body_timeout"))
    assert server.keep_alive_s == parse_duration(default(properties["server"], "keep_alive"))
    assert {str(network.network_address) for network in server.allowed_ips or ()} == set(WEBHOOK_ADDRESSES)
    assert server.trusted_proxies == tuple(default(properties["server"], "trusted_proxies"))
    assert str(config.admin.listen) == default(properties["admin"], "listen")
    assert config.store == f"sqlite:///{alerts}/{properties['store']['default'].removeprefix('sqlite:///')}"
    assert (config.locale, config.timezone) == (properties["locale"]["default"], properties["timezone"]["default"])
    assert config.templates == alerts / properties["templates"]["default"]
    assert config.watch is properties["watch"]["default"]
    assert config.retention_s == parse_duration(properties["retention"]["default"])
    for name, seconds in (
        ("first", retry.first_s),
        ("max", retry.max_s),
        ("give_up_after", retry.give_up_after_s),
    ):
        assert seconds == parse_duration(default(properties["retry"], name))
    for name, kind in (("mail", "email"), ("slack", "slack"), ("http", "http")):
        channel = config.channels[name]
        assert channel.concurrency == default(definitions[kind], "concurrency")
        assert channel.timeout_s == parse_duration(default(definitions[kind], "timeout"))
    api = config.workspaces[0].api
    assert api is not None
    assert api.base_url == default(definitions["workspace"]["properties"]["api"], "base_url")


def test_the_fields_of_each_channel_are_on_the_rules_page() -> None:
    rows = _rows("docs/rules.md", "## `notify` and `resolved`: the messages")
    assert {kind: set(re.findall(r"`(\w+)`", row[1])) for kind, row in rows.items()} == FIELDS


def test_every_filter_of_ours_is_on_the_rules_page() -> None:
    templates = Templates(folder=None, locale="fr_FR", timezone="Europe/Paris")
    ours = {*templates.filters.table(), *SlackSandbox().filters} - set(jinja2.filters.FILTERS)
    assert set(_rows("docs/rules.md", "## Filters")) == ours


def test_the_filters_give_what_the_rules_page_says() -> None:
    templates = Templates(folder=None, locale="fr_FR", timezone="Europe/Paris")
    context = {
        "event": {"date": "2026-03-02T08:30:00+00:00"},
        "resource": {
            "amount": 1250000,
            "currency": "EUR",
            "local_iban": "FR7617338000010109143651430",
            "execution_date": "2026-03-02",
        },
    }
    shown = [row[2].replace("\\|", "|").partition(" → ") for row in _rows("docs/rules.md", "## Filters").values()]
    given = {source.strip("`"): value for source, _, value in shown if value}
    assert len(given) == 4
    for source, value in given.items():
        assert " ".join(templates.text(source).render(context).split()) == value


def test_every_metric_is_on_the_operations_page_and_no_other() -> None:
    page = _page("docs/operations.md")
    names = {
        metric._name + ("_total" if metric._type == "counter" else "")
        for metric in vars(Metrics()).values()
        if hasattr(metric, "_labelnames")
    }
    told = set(_rows("docs/operations.md", "## Metrics"))
    assert told == names
    for name in re.findall(r"memonotify_[a-z_]+", "\n".join(_page(str(path.relative_to(ROOT))) for path in PAGES)):
        assert name in names, name
    assert page.count("<!-- generated: metrics -->") == 1


_LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def _logged(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        receiver = ast.unparse(node.func.value)
        if node.func.attr in _LEVELS and receiver.endswith(("logger()", "_log")):
            word = node.args[0]
            assert isinstance(word, ast.Constant), f"{path}:{node.lineno}: not one word"
            yield str(word.value), _LEVELS[node.func.attr]


def test_every_log_word_is_on_the_operations_page_with_its_level_and_no_other() -> None:
    said = dict(item for path in (ROOT / "memonotify").rglob("*.py") for item in _logged(path))
    told = {word: row[1] for word, row in _rows("docs/operations.md", "## Logs").items()}
    # What the standard library's logging lets through for libraries.
    assert told.pop("library") == "warning"
    assert told == said


def test_every_reason_is_on_the_channels_page_with_whether_it_is_tried_again() -> None:
    rows = _rows("docs/channels.md", "## What is tried again")
    assert {name: row[1] for name, row in rows.items()} == {
        str(reason): "yes" if reason in RETRIED else "no" for reason in Reason
    }


def test_the_statuses_on_the_channels_page_have_the_reasons_it_says() -> None:
    rows = _rows("docs/channels.md", "## What is tried again")
    for name, row in rows.items():
        for part in re.findall(r"HTTP ((?:\d{3}|\dxx)(?: or \d{3})?)", row[2]):
            for status in part.split(" or "):
                number = int(status.replace("xx", "99"))
                assert reason_of_status(number) == name, f"{name}: {status}"


def test_every_event_type_path_and_address_is_told() -> None:
    rules, webhook = _page("docs/rules-reference.md"), _page("docs/webhook.md")
    for word in (*EVENT_TYPES, *RESOURCE_PATHS, *RESOURCE_PATHS.values()):
        assert f"`{word}`" in rules, word
    for address in (*WEBHOOK_ADDRESSES, *SANDBOX_ADDRESSES):
        assert f"`{address}`" in webhook, address


def test_every_answer_of_the_webhook_is_in_its_table() -> None:
    tree = ast.parse((ROOT / "memonotify" / "intake" / "server.py").read_text(encoding="utf-8"))
    answers = {
        (node.args[0].value, node.args[1].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "_Refused"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[1], ast.Constant)
    }
    told = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", _page("docs/webhook.md"), re.MULTILINE))
    assert {(str(status), code) for status, code in answers} == told


def test_every_route_of_the_admin_listener_is_on_the_api_page() -> None:
    page = _page("docs/api.md")

    async def ready() -> tuple[bool, dict[str, Any]]:
        return True, {}

    app = admin_app(None, token=None, metrics=Metrics(), ready=ready)  # type: ignore[arg-type]
    routes = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert len(routes) >= len(Api(None).routes()) + 3  # type: ignore[arg-type]
    assert all(isinstance(route, web.RouteDef) for route in Api(None).routes())  # type: ignore[arg-type]
    assert {route for route in routes if f"`{route}`" not in page} == set()


def test_every_field_of_the_api_is_on_its_page() -> None:
    page = _page("docs/api.md")
    at = datetime(2026, 3, 2, tzinfo=UTC)
    body = {"id": "e", "date": "d", "event_type": "t", "resource_type": "r", "resource_id": "i"}
    event = Event(workspace="acme", body=body, received_at=at, **body)
    delivery = Delivery(
        id="dlv_1",
        identity="dlv_1",
        workspace="acme",
        event_id="e",
        rule="r",
        channel="erp",
        branch=Branch.NOTIFY,
        entry=0,
        payload={},
        state=DeliveryState.SENT,
        attempts=1,
        created_at=at,
        due_at=at,
    )
    attempt = Attempt(delivery_id="dlv_1", number=1, started_at=at, ended_at=at, ok=True)
    shown = {**event_json(event), **delivery_json(delivery), **attempt_json(attempt)}
    filters = Filters.__dataclass_fields__
    assert {name for name in (*shown, *filters) if f"`{name}`" not in page} == set()


def test_every_delivery_state_and_branch_is_explained() -> None:
    page = _page("docs/operations.md") + _page("docs/api.md")
    assert {str(word) for word in (*DeliveryState, *Branch) if f"`{word}`" not in page} == set()


def test_every_floor_is_on_the_architecture_page() -> None:
    layers = tomllib.loads(_page("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = re.findall(r"^\| (`.*?`) \|", _page("docs/architecture.md").split("## Floors")[1], re.MULTILINE)
    told = [" | ".join(re.findall(r"`(\w+)`", row)) for row in rows]
    assert told[: len(layers)] == layers


def test_every_decision_is_linked_from_the_architecture_page() -> None:
    page = _page("docs/architecture.md")
    records = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    assert [name for name in records if f"(decisions/{name})" not in page] == []
