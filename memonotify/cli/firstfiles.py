"""The files of a first configuration: the shipped ones, cut down to the channels that somebody has.

In: a language and kinds of channels. Out: the place and text of each file. `init` writes them. A message to a channel
that is left out is left out as well; where that would leave nobody who is told, another channel tells it.

It works on lines, for the comments and the form of the shipped files are what a newcomer reads. The tests load every
combination and run its tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final

from memonotify.config.schema import config_schema, rules_schema, schema_of_tests
from memonotify.defaults import shipped

CHANNELS: Final = {"mail": "finance-mail", "slack": "treasury-slack", "http": "erp"}
"""The kinds that may be chosen, and the channel of each in the shipped files."""

_TOLD_AS: Final = {"finance-mail": "subject", "treasury-slack": "text"}
"""The channels that people read, and the field that says it in one line."""

_ENVIRONMENT: Final = """\
# What config.yaml reads as ${env:…}. Fill it in, keep it out of version control, and load it:
#   set -a; . ./environment; set +a
MEMONOTIFY_ADMIN_TOKEN=
ACME_WEBHOOK_TOKEN=
ACME_THUMBPRINT=
ACME_SECRET=
SMTP_PASSWORD=
SLACK_WEBHOOK_URL=
ERP_SIGNING_SECRET=
"""
_LIST: Final = re.compile(r"( {4,8})(?:notify|resolved|expect):")
_RULES_OF: Final = re.compile(r"^  - name: .*\n(?:(?:    .*)?\n)*", re.MULTILINE)
_CHANNEL: Final = re.compile(r"\bchannel: ([\w-]+)")
_RULE: Final = re.compile(r"\{rule: ([\w-]+)")
_ONE_LINE: Final = re.compile(r'\b(?:subject|text): ("[^"]*")')
_EMOJI: Final = re.compile(r":[a-z_]+: ")


def first_files(language: str, kinds: Collection[str]) -> list[tuple[str, str]]:
    """Return each file's path within the folder, and its text; `kinds` are some of CHANNELS."""
    chosen = [channel for kind, channel in CHANNELS.items() if kind in kinds]
    rules = shipped("rules")
    config = _config(_read(shipped("config.example.yaml")), chosen)
    environment = [line for line in _ENVIRONMENT.splitlines(keepends=True) if _is_read(line, config)]
    return [
        ("config.yaml", config),
        *(
            (f"rules/{file.name}", _rules(_read(file), chosen))
            for file in sorted((rules if language == "en" else rules / language).glob("*.yaml"))
        ),
        *(
            (f"rules/templates/{file.relative_to(rules / 'templates')}", _read(file))
            for pattern in ("*.j2", f"{language}/*.j2")
            for file in sorted((rules / "templates").glob(pattern))
            # The pages are for mails.
            if "mail" in kinds or not file.name.endswith(".html.j2")
        ),
        ("environment", "".join(environment)),
        ("config.schema.json", json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"),
        ("rules.schema.json", json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"),
        ("tests.schema.json", json.dumps(schema_of_tests(), indent=2, ensure_ascii=False) + "\n"),
    ]


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _is_read(line: str, config: str) -> bool:
    name, equals, _ = line.partition("=")
    return line.startswith("#") or not equals or f"${{env:{name}}}" in config


def _config(text: str, chosen: list[str]) -> str:
    """Take the other channels out, and let one that is there hear of failures."""
    for channel in CHANNELS.values():
        if channel not in chosen:
            text = re.sub(rf"^  {channel}:\n(?:    .*\n)+", "", text, flags=re.MULTILINE)
    if "finance-mail" not in chosen:
        text = re.sub(r"^on_failure: \{.*?\}", f"on_failure: {{channel: {chosen[0]}}}", text, flags=re.MULTILINE)
    return text


def _rules(text: str, chosen: list[str]) -> str:
    """Rewrite the lists of messages, those that rules send and those that tests expect. A rule that tells only systems
    of which none is there is left out: people have a rule of their own."""
    rules, mark, tests = text.partition("\ntests:\n")
    rules = _RULES_OF.sub(lambda found: found[0] if _speaks(found[0], chosen) else "", rules).rstrip("\n") + "\n"
    return _with_lists(rules + mark + tests, chosen)


def _speaks(rule: str, chosen: list[str]) -> bool:
    told = set(_CHANNEL.findall(rule))
    return not told.isdisjoint(chosen) or not told.isdisjoint(_TOLD_AS)


def _with_lists(text: str, chosen: list[str]) -> str:
    done: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        done.append(lines[at])
        at += 1
        found = _LIST.fullmatch(done[-1])
        if found is not None:
            inner = found[1] + "  "
            end = _end(lines, at, inner)
            done += _rewritten(_items(lines[at:end], inner), chosen, inner)
            at = end
    return "\n".join(done) + "\n"


def _end(lines: list[str], at: int, inner: str) -> int:
    """Return the number of the line behind a list that begins at a line."""
    end = at + sum(1 for _ in takewhile(lambda line: not line or line.startswith(inner), lines[at:]))
    while not lines[end - 1]:
        end -= 1
    return end


def _items(lines: list[str], inner: str) -> list[str]:
    return [item.rstrip("\n") for item in re.split(rf"^(?={inner}- )", "\n".join(lines), flags=re.MULTILINE) if item]


def _rewritten(items: list[str], chosen: list[str], inner: str) -> Iterator[str]:
    of_rules: dict[str, list[str]] = {}
    for item in items:
        named = _RULE.search(item)
        of_rules.setdefault(named[1] if named else "", []).append(item)
    for rule, same in of_rules.items():
        kept = [item for item in same if _channel(item) in chosen]
        to_people = [item for item in same if _channel(item) in _TOLD_AS]
        people = [channel for channel in chosen if channel in _TOLD_AS]
        if to_people and not any(item in kept for item in to_people) and (people or not kept):
            yield _redirected(to_people[0], rule, (people or chosen)[0], inner)
        yield from kept


def _channel(item: str) -> str:
    found = _CHANNEL.search(item)
    return found[1] if found else ""


def _redirected(item: str, rule: str, channel: str, inner: str) -> str:
    """Return a message, or what a test expects of it, for another channel: in one line where people read it, whole and
    with nothing of its own where a system does."""
    said, field = _ONE_LINE.search(item), _TOLD_AS.get(channel)
    own = f"{field}: {_EMOJI.sub('', said[1])}" if said and field else ""
    if rule:
        return f"{inner}- {{rule: {rule}, channel: {channel}{', ' if own else ''}{own}}}"
    return f"{inner}- channel: {channel}" + (f"\n{inner}  {own}" if own else "")
