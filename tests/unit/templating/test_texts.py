"""Texts, structures and template files: escaping, types, names, sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.errors import CompileError, RenderError
from memonotify.templating.environment import Escape, Templates

Over = Callable[..., Templates]


def test_only_values_are_escaped_never_the_rules_own_text(templates: Templates, context: dict[str, Any]) -> None:
    source = "<{{ resource.link }}|open> & {{ resource.counterparty_name }}"
    assert templates.text(source).render(context) == "<https://app.example/t?a=1&b=2|open> & Léa <b> & Cie"
    assert templates.text(source, Escape.SLACK).render(context) == (
        "<https://app.example/t?a=1&amp;b=2|open> & Léa &lt;b&gt; &amp; Cie"
    )
    assert templates.text("<i>{{ resource.counterparty_name }}</i>", Escape.HTML).render(context) == (
        "<i>Léa &lt;b&gt; &amp; Cie</i>"
    )


def test_html_that_a_rule_calls_safe_stays(templates: Templates) -> None:
    assert templates.text("{{ x | safe }}", Escape.HTML).render({"x": "<b>"}) == "<b>"


SLACK_SHAPES = [
    "{{ v }}",
    "{{ v | safe }}",
    "{{ v | e }}",
    "{{ v | string | safe | upper }}",
    "{{ v | tojson }}",
    "{{ [v] }}",
    "{{ {'a': v} }}",
    "{{ [v, v] | join(', ') }}",
    "{{ [v | safe, v] | join(v) }}",
    "{{ v ~ (v | e) }}",
    "{{ (v | e)[:3] }}",
    "{{ v | e | truncate(4, true, '') }}",
    "{{ v | e | striptags }}",
    "{{ v | striptags }}",
    "{{ (v | e).unescape() }}",
    "{{ v | e | replace('&', '<') }}",
    "{{ v | replace('&lt;', '<') }}",
    "{{ v | indent(2) }}",
    "{{ '%s' | format(v) }}",
    "{{ '%s' % v }}",
    "{% autoescape false %}{{ v }}{% endautoescape %}",
    "{% set x %}{{ v }}{% endset %}{{ x }}",
    "{% set x %}{{ v }}{% endset %}{{ x[1:] }}",
    "{% set x %}{{ v }}{% endset %}{{ x | list }}",
    "{% set x %}{{ v }}{% endset %}{{ x | reverse }}",
    "{% set x %}{{ v }}{% endset %}{{ x.unescape() | safe }}",
    "{% set x | striptags %}{{ v }}{% endset %}{{ x }}",
    "{% set x | upper %}{{ v }}{% endset %}{{ x }}",
    "{% filter striptags %}{{ v }}{% endfilter %}",
    "{% filter upper %}{{ v }}{% endfilter %}",
    "{% filter truncate(3, true, '') %}{{ v }}{% endfilter %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(v) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(v) | striptags }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ v }}{% endcall %}",
    "{% for c in [v] %}{{ c }}{% endfor %}",
    "{% block b %}{{ v }}{% endblock %}{{ self.b() }}",
    "{{ v if v else 'x' }}",
    "{{ '<!here>' ~ v }}",
]

HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="<>&;!@ltgampLT#x3C|*_`\"' ", max_size=30),
    st.sampled_from(["<!channel>", "<!here|x>", "&lt;!here&gt;", "&amp;lt;", "<@U123>", "&", "a&b;c"]),
)


@pytest.mark.parametrize("shape", SLACK_SHAPES)
@given(value=HOSTILE)
def test_no_value_reaches_slack_unescaped(templates: Templates, shape: str, value: str) -> None:
    try:
        text = templates.text(shape, Escape.SLACK).render({"v": value})
    except RenderError:
        return
    assert "<" not in text
    assert ">" not in text
    rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert "&" not in rest


@given(value=HOSTILE)
def test_a_value_reads_in_slack_as_it_was(templates: Templates, value: str) -> None:
    text = templates.text("{{ v }}", Escape.SLACK).render({"v": value})
    unescaped = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped == value.encode("utf-8", "replace").decode()


def test_a_macros_own_markup_stays_in_slack(templates: Templates) -> None:
    source = "{% macro open(link) %}<{{ link }}|open>{% endmacro %}{{ open(u) }}"
    assert templates.text(source, Escape.SLACK).render({"u": "http://x/?a&b"}) == "<http://x/?a&amp;b|open>"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ none }}", ""),
        ("{{ 12.5 }}", "12.5"),
        ("{{ (1234500, 'EUR')[0] | amount('EUR') }}", "12345.00"),
        ("{{ {'a': [1, none, 'é']} }}", '{"a": [1, null, "é"]}'),
        ("{{ {'a': '<'} | tojson }}", '{"a": "<"}'),
        ("{{ {'a': 1} | tojson(indent=1) }}", '{\n "a": 1\n}'),
    ],
)
def test_values_are_shown_as_people_and_programs_expect(templates: Templates, source: str, shown: str) -> None:
    assert templates.text(source).render({}) == shown


def test_json_in_html_cannot_end_a_script(templates: Templates) -> None:
    text = templates.text("{{ v | tojson }}", Escape.HTML).render({"v": {"a": "</script>"}})
    assert "<" not in text
    assert json.loads(text) == {"a": "</script>"}


def test_what_has_no_text_is_refused(templates: Templates) -> None:
    for source in ("{{ 'a'.upper }}", "{{ [1] | map('string') }}"):
        with pytest.raises(RenderError):
            templates.text(source).render({})


def test_a_text_over_the_limit_stops_while_it_is_made(templates: Templates) -> None:
    endless = "{% for i in range(100000) %}{% for j in range(100000) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}"
    for source in (endless, "{{ v }}{{ v }}"):
        with pytest.raises(RenderError, match="larger than 1 MiB"):
            templates.text(source).render({"v": "é" * 300_000})


def test_half_a_surrogate_pair_becomes_a_question_mark(templates: Templates) -> None:
    assert templates.text("é{{ v }}").render({"v": "a\ud800b"}) == "éa?b"


def test_an_error_in_a_later_line_names_the_line(templates: Templates, context: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match="^line 3: `resource.nope` is missing$"):
        templates.text("a\nb\n{{ resource.nope }}").render(context)


def test_a_lone_expression_keeps_its_type(templates: Templates, context: dict[str, Any]) -> None:
    value = templates.value(
        {
            "event": "{{ event }}",
            "cents": "{{ resource.amount }}",
            "reason": "{{ resource.failure_code | default(none) }}",
            "text": "{{ resource.amount }} cents",
            "exact": "{{ resource | amount }}",
            "fraction": "{{ 12050 | amount('EUR') }}",
            "ids": "{{ resource.items | map(attribute='id') }}",
            "flag": "{{ resource.amount > 5 }}",
            "list": [1, None, True, {"deep": "{{ workspace.name }}"}],
            "{{ literal }}": 1,
        }
    )
    assert value.render(context) == {
        "event": context["event"],
        "cents": 1205000,
        "reason": None,
        "text": "1205000 cents",
        "exact": 12050,
        "fraction": 120.5,
        "ids": ["a", "b"],
        "flag": True,
        "list": [1, None, True, {"deep": "acme"}],
        "{{ literal }}": 1,
    }
    assert value.names == {"event", "resource", "workspace"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ (1 | amount('EUR')) / 3 }}", "is no exact number in JSON"),
        ("{{ 1e308 * 10 }}", "inf is no number in JSON"),
        ("{{ event.nope }}", "`event.nope` is missing"),
        ("{{ [event.nope] }}", "`event.nope` is missing"),
        ("{{ {1: 2} }}", "keys in JSON are strings"),
        ("{{ namespace() }}", "has no form in JSON"),
        ("{{ [event.id.upper] }}", "a function"),
        ("{{ ['x' * 1000000, 'x' * 1000000] }}", "larger than 1 MiB"),
        ("{{ [event] | map(attribute='nope') }}", "missing"),
        ("{{ event.nope }}!", "`event.nope` is missing"),
    ],
)
def test_what_cannot_be_json_names_its_field(
    templates: Templates, context: dict[str, Any], source: str, said: str
) -> None:
    with pytest.raises(RenderError) as caught:
        templates.value({"a": [{"b": source}]}).render(context)
    assert str(caught.value).startswith("a[0].b: ")
    assert said in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(data=JSON)
def test_json_data_goes_through_an_expression_unchanged(templates: Templates, data: Any) -> None:
    assert templates.value({"x": "{{ event }}"}).render({"event": data}) == {"x": data}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**10), max_value=10**10))
def test_a_decimal_in_json_reads_back_exactly(templates: Templates, number: Decimal) -> None:
    rendered = templates.value("{{ n }}").render({"n": number})
    assert Decimal(json.dumps(rendered)) == number


@given(value=HOSTILE)
def test_strings_of_a_slack_structure_are_escaped_and_addresses_are_not(templates: Templates, value: str) -> None:
    data = [{"text": "{{ v }}", "more": "{{ [v, {'k': v}] }}", "all": "a {{ v }}", "url": "{{ v }}"}]
    rendered = templates.value(data, Escape.SLACK).render({"v": value})[0]
    assert rendered["url"] == value
    del rendered["url"]
    assert "<" not in json.dumps(rendered)


def test_all_that_is_wrong_in_a_structure_is_collected(templates: Templates) -> None:
    problems: list[Any] = []
    templates.value({"a": ["{{ x | nope }}", "fine"], "b": {"c": "{{"}}, problems=problems)
    assert [path for path, _ in problems] == [("a", 0), ("b", "c")]
    with pytest.raises(CompileError):
        templates.value({"a": ["{{ x | nope }}"]})


def test_names_come_through_includes_imports_and_parents(templates_over: Over) -> None:
    templates = templates_over(
        footer="{{ workspace.name }}",
        macros="{% macro m() %}{{ account.id }}{% endmacro %}",
        base="{% block body %}{% endblock %}{{ event.id }}",
        page="{% extends 'base.j2' %}{% import 'macros.j2' as m %}"
        "{% block body %}\n{% include 'footer.j2' %}{{ resource.id }}{% for x in xs %}{% endfor %}{% endblock %}",
    )
    page = templates.file("page.j2", Escape.HTML)
    assert page.names == {"workspace", "account", "event", "resource", "xs"}
    assert Path(page.places["resource"].file).name == "page.j2"
    assert page.places["resource"].line == 2


def test_a_template_file_is_rendered_with_its_escaping(templates_over: Over) -> None:
    templates = templates_over(page="<b>{{ v }}</b>{% include 'part.j2' %}", part="{{ v }}")
    assert templates.file("page.j2", Escape.HTML).render({"v": "<"}) == "<b>&lt;</b>&lt;"
    assert templates.file("page.j2").render({"v": "<"}) == "<b><</b><"


def test_a_file_that_changes_afterwards_changes_nothing(templates_over: Over, tmp_path: Path) -> None:
    templates = templates_over(page="{% include 'part.j2' %}{% include 'late.j2' ignore missing %}", part="before")
    page = templates.file("page.j2")
    (tmp_path / "part.j2").write_text("after")
    (tmp_path / "late.j2").write_text("late")
    assert page.render({}) == "before"
    assert templates.file("page.j2", Escape.HTML).render({}) == "before"


def test_the_digest_changes_with_an_included_file(templates_over: Over) -> None:
    digests = {templates_over(page="{% include 'part.j2' %}", part=part).file("page.j2").digest for part in "ab"}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("files", "said", "name", "line"),
    [
        ({"page": "a\n{{ x | nope }}"}, "there is no filter 'nope'", "page.j2", 2),
        ({"page": "a\n{{ x"}, "unexpected end of template", "page.j2", 2),
        ({"page": "a\n{% include 'nope.j2' %}"}, "there is no template file", "page.j2", 2),
        ({"page": "a\n{% include x %}"}, "a file is included by a constant name", "page.j2", 2),
        ({"page": "{% include 'part.j2' %}", "part": "\n\n{{ x |"}, "unexpected end of template", "part.j2", 3),
        ({"page": "{% include 'part.j2' %}", "part": "\n\n{{ x | nope }}"}, "there is no filter", "part.j2", 3),
        ({"page": "{% block a %}{% endblock %}\n{% block a %}{% endblock %}"}, "block 'a' defined", "page.j2", 2),
        ({"page": "{% include 'part.j2' %}", "part": "{% macro m(a, a) %}{% endmacro %}"}, "it cannot", "part.j2", 1),
        ({"other": ""}, "there is no template file", "", 1),
    ],
)
def test_an_error_in_a_template_file_names_the_file_and_line(
    templates_over: Over, files: dict[str, str], said: str, name: str, line: int
) -> None:
    with pytest.raises(CompileError) as caught:
        templates_over(**files).file("page.j2")
    assert caught.value.message.startswith(said)
    assert Path(caught.value.file).name == name
    assert caught.value.line == line


def test_a_misspelt_file_is_suggested(templates_over: Over) -> None:
    with pytest.raises(CompileError, match=r"did you mean 'incoming\.j2'"):
        templates_over(incoming="").file("incomming.j2")


def test_a_file_outside_of_the_folder_or_not_readable_is_refused(templates_over: Over, tmp_path: Path) -> None:
    templates = templates_over()
    (tmp_path / "latin.j2").write_bytes(b"a\n\xe9")
    (tmp_path / "large.j2").write_bytes(b"a" * (1024 * 1024 + 1))
    (tmp_path / "folder.j2").mkdir()
    for name, said in [
        ("../x.j2", "outside of the folder"),
        ("latin.j2", "not UTF-8"),
        ("large.j2", "larger than 1 MiB"),
        ("folder.j2", "cannot be read"),
        ("a\0.j2", "cannot be read"),
    ]:
        with pytest.raises(CompileError, match=said):
            templates.file(name)


def test_a_running_error_in_a_file_names_the_file_and_line(templates_over: Over) -> None:
    page = templates_over(page="{% include 'part.j2' %}", part="\n{{ event.nope }}").file("page.j2")
    with pytest.raises(RenderError, match=r"^part\.j2:2: `event\.nope` is missing$"):
        page.render({"event": {}})


def test_a_macro_that_calls_itself_fails_with_a_sentence(templates: Templates) -> None:
    page = templates.text("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")
    with pytest.raises(RenderError, match="calls itself without end"):
        page.render({})


@pytest.mark.parametrize("ignoring", ["", " ignore missing"])
def test_templates_that_include_each_other_without_end_are_refused(templates_over: Over, ignoring: str) -> None:
    templates = templates_over(a=f"{{% include 'b.j2'{ignoring} %}}", b="{% if event %}{% include 'a.j2' %}{% endif %}")
    with pytest.raises(CompileError, match=r"'a.j2' leads back to this template") as caught:
        templates.text("{% include 'a.j2' %}")
    assert caught.value.file.endswith("b.j2")
