"""The examples of the documentation run, its files load, its links lead somewhere."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from memonotify.channels.signing import Signer
from memonotify.config.loader import load_config
from memonotify.config.schema import check_schema, config_schema
from memonotify.engine.testing import run_tests
from memonotify.rules.loader import load_rules
from memonotify.secret import Secret
from memonotify.templating import Templates
from memonotify.yamlsource import parse

from .conftest import PAGES, ROOT, Block, blocks, without_blocks

BLOCKS = [block for page in PAGES for block in blocks(page)]
NOT_RUN = {
    "serves forever": 6,
    "needs a mail server": 2,
    "needs the stand-in": 4,
    "needs the daemon": 7,
    "needs the installed service": 3,
    "needs several nodes": 1,
    "needs a PostgreSQL server": 1,
}
"""How many blocks are not run, by the reason that their mark gives: an unmarked one cannot hide among them."""

_PROMPT = "$ "
_TIMEOUT_S = 60


def _with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_blocks_that_are_not_run_are_the_ones_counted_here() -> None:
    marked = [block for block in BLOCKS if block.mark == "not run"]
    assert Counter(block.value for block in marked) == NOT_RUN
    assert {block.language for block in marked} == {"console"}


def test_every_command_of_ours_stands_in_a_block_that_is_run_or_marked() -> None:
    for block in BLOCKS:
        if block.language in ("sh", "text", "ini", ""):
            assert not re.search(r"^\$ ", block.body, re.MULTILINE), f"{block}: a prompt belongs into a console block"


@pytest.mark.parametrize("page", _with_blocks("console"), ids=_name)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page: Path, alerts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" if page.name == "README.md" else alerts
    folder.mkdir(exist_ok=True)
    for block in blocks(page):
        if block.mark == "file":
            (folder / block.value).write_text(block.body, encoding="utf-8")
        elif block.language == "console" and block.mark != "not run":
            expected = int(block.value) if block.mark == "exit" else 0
            for command, shown in _commands(block):
                if command.startswith("cd "):
                    folder = folder / command.removeprefix("cd ")
                    continue
                _run(command, shown, folder, expected, block)


def _commands(block: Block) -> list[tuple[str, list[str]]]:
    """Return each command with the lines that the page shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for line in block.body.splitlines():
        if line.startswith(_PROMPT):
            found.append((line.removeprefix(_PROMPT), []))
        else:
            found[-1][1].append(line)
    return found


def _run(command: str, shown: list[str], folder: Path, expected: int, block: Block) -> None:
    ours = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT_S,
        check=False,
    )
    output = done.stdout.decode()
    assert done.returncode == expected, f"{block}: {command}\n{output}"
    rest = output
    for line in shown:
        pattern = ".*?".join(re.escape(part) for part in line.split("…"))
        found = re.search(rf"^{pattern}", rest, re.MULTILINE)
        assert found is not None, f"{block}: {command}\nshows: {line}\nprinted:\n{output}"
        rest = rest[found.end() :]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=str)
def test_the_yaml_of_a_page_loads(block: Block, alerts: Path) -> None:
    top = set(yaml.safe_load(block.body))
    if top == {"tests"}:
        # Its rules stand elsewhere on the page; the walk runs it with them.
        document, problems = parse(block.body, str(block))
        assert document is not None
        assert [*problems, *check_schema(document, "tests")] == []
    elif top <= {"rules", "tests"} and isinstance(yaml.safe_load(block.body)["rules"][0], dict):
        _load_rules(block, alerts)
    else:
        assert top <= set(config_schema()["properties"]), f"{block}: neither rules nor configuration"
        _load_config(block, top, alerts)


def _load_rules(block: Block, alerts: Path) -> None:
    file = alerts / "rules" / "example.yaml"
    file.write_text(block.body, encoding="utf-8")
    config = load_config(alerts / "config.yaml", environ={}, resolve=False).config
    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
    loaded = load_rules(config, templates, files=[file])
    assert not loaded.notes, f"{block}: {loaded.notes}"
    # A page that shows a test which falls short writes it to a file and runs it.
    if block.mark != "file" or "wrong" not in block.value:
        results = run_tests(loaded.ruleset, config)
        assert [result for result in results if not result.passed] == []


def _load_config(block: Block, top: set[str], alerts: Path) -> None:
    """Load a whole configuration as it is, and a part of one in place of the same part of the one `init` writes."""
    text = block.body
    if not top >= set(config_schema()["required"]):
        given, base = yaml.safe_load(block.body), yaml.safe_load((alerts / "config.yaml").read_text(encoding="utf-8"))
        # JSON is YAML with every text in quotes; PyYAML would leave out those of "08:00".
        text = json.dumps({**base, **given}, ensure_ascii=False)
    (alerts / "example.yaml").write_text(text, encoding="utf-8")
    load_config(alerts / "example.yaml", environ={}, resolve=False)


def test_the_python_that_verifies_a_signature_verifies_ours_and_no_other() -> None:
    (block,) = [block for block in BLOCKS if block.language == "python"]
    names: dict[str, object] = {}
    exec(compile(block.body, str(block), "exec"), names)
    verify = names["verify"]
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    body = b'{"cents":12050}'
    signed = Signer(Secret(secret)).headers("dlv_1", datetime.now(UTC), body)
    headers = {name.decode(): value.decode() for name, value in signed}
    assert callable(verify)
    assert verify(secret, headers, body) == "dlv_1"
    with pytest.raises(ValueError, match="does not fit"):
        verify(secret, headers, body + b" ")
    with pytest.raises(ValueError, match="too old"):
        verify(secret, headers | {"webhook-timestamp": "1700000000"}, body)


_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", without_blocks(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(without_blocks(page)):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{_name(page)}: {target}"
        assert other.is_relative_to(ROOT), f"{_name(page)}: {target}"
        if anchor:
            assert anchor in _anchors(other), f"{_name(page)}: {target}: {sorted(_anchors(other))}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, open_pages = set[Path](), [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            targets = (target.partition("#")[0] for target in _LINK.findall(without_blocks(page)))
            open_pages += [(page.parent / target).resolve() for target in targets if target and ":" not in target]
    assert set(PAGES) == reached


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_page_names_a_place_of_one_machine_or_of_packages(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for word in (str(ROOT), f"{Path.home()}/", "/tmp/", "/work/", "pypi", "pythonhosted", "index-url"):
        assert word not in text.lower(), f"{_name(page)}: {word}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_line_of_text_is_longer_than_130_characters(page: Path) -> None:
    for number, line in enumerate(without_blocks(page).splitlines(), 1):
        assert len(line) <= 130 or line.startswith("|"), f"{_name(page)}:{number}"
