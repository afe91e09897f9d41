"""Texts of one shape: what is taken as alike must be alike, and each is compiled once, when it first runs."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from memonotify.errors import CompileError, RenderError
from memonotify.templating.environment import Escape, Templates
from memonotify.templating.shapes import constant, expression_shape, text_shape

_CONTEXT = {
    "resource": {"amount": 125000, "currency": "EUR", "name": "Martin", "iban": "FR7617338000010109143651430"},
    "event": {"id": "e-1", "event_type": "transaction_confirmed"},
    "workspace": {"name": "acme"},
}
_WORDS = st.text("abcXYZ 09.,-+éü€'<&[]()_|/\n\t", min_size=1, max_size=12)
_QUOTABLE = st.text("abcXYZ 09.,-+éü€<&[](){}%#_|/", min_size=1, max_size=12)
_NUMBERS = st.one_of(st.integers(1, 10**17).map(str), st.decimals(1, 9999, places=2).map(str))
_FORMS = (
    "{0}{{{{ resource.name }}}}{1}",
    '{0}{{{{ resource.other | default("{2}") }}}}',
    "{{{{ resource.name }}}}",
    "{{{{ '{2}' }}}}",
    "{{% if resource.amount > {3} %}}{0}{{% else %}}{1}\n{{{{ event.id }}}}{{% endif %}}",
    "{0}{{%- set x = [{3}, '{2}'] -%}}{1}{{{{ x }}}}",
    "{{% for x in ['{2}', \"b\", event.id] %}}\n{0}{{{{ x }}}}{{% endfor %}}{1}",
    "{{{{ resource['name'] }}}}{0}{{{{ resource[\"amount\"] + {3} }}}}",
    "{{{{ resource.name[0] }}}}{0}{{{{ resource.iban[-4:] }}}}",
    "{{{{ (resource.amount * {3}) | string | replace('{2}', '') }}}}",
)


def _templates() -> Templates:
    return Templates(folder=None, locale="fr_FR", timezone="Europe/Paris")


def _filled(form: str, values: tuple[str, str, str, str]) -> str:
    return form.format(*values)


_VALUES = st.tuples(_WORDS, _WORDS, _QUOTABLE, _NUMBERS)


@given(
    form=st.sampled_from(_FORMS),
    first=_VALUES,
    second=_VALUES,
    escape=st.sampled_from(list(Escape)),
    alone=st.booleans(),
)
def test_what_is_taken_for_checked_reads_and_renders_as_it_would_alone(
    form: str, first: tuple[str, str, str, str], second: tuple[str, str, str, str], escape: Escape, alone: bool
) -> None:
    one, other = _filled(form, first), _filled(form, second)
    beside, apart = _templates(), _templates()
    outcomes = []
    for templates, sources in ((beside, (one, other)), (apart, (other,))):
        for source in sources:
            try:
                made = templates.value([source], escape) if alone else templates.text(source, escape)
                parts = [part for _, part in made.parts] if alone else [made]
                analyses = [part.analysis for part in parts]
                rendered = _rendered(made)
            except CompileError as error:
                outcomes.append(str(error))
            else:
                outcomes.append((analyses, rendered))
    assert outcomes[1] == outcomes[2]


def _rendered(made: object) -> object:
    try:
        return made.render(_CONTEXT)  # type: ignore[attr-defined]
    except RenderError as error:
        return type(error), str(error)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("resource.amount > 5", "resource.amount > 1250"),
        ("resource.name == 'a'", 'resource.name == "b c"'),
        ("resource.name | default('') == 'a'", "resource.name | default('') == 'b'"),
        ("resource.name in ['a', 'b']", "resource.name in ['c', 'd']"),
        ("resource.iban[-4:] == '1430'", "resource.iban[-4:] == '1431'"),
    ],
)
def test_expressions_that_differ_in_their_literals_have_one_shape(one: str, other: str) -> None:
    assert expression_shape(one) == expression_shape(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("resource['amount'] > 5", "resource['amuont'] > 5"),
        ("resource.amount > 5", "resource.amuont > 5"),
        ("resource.amount > 5", "resource.amount\n> 5"),
        ("resource.amount > 5", "resource.amount > 0"),
        ("resource.amount > 5", "resource.amount > 5.5"),
        ("resource.amount > 5", "resource.amount > 5e3"),
        ("resource.name == 'a'", "resource.name == ''"),
        ("resource | iban('a')", "resource | amount('a')"),
        ("resource.a == 1", "resource.a1 == 1"),
    ],
)
def test_what_may_mean_something_else_has_another_shape(one: str, other: str) -> None:
    assert expression_shape(one) != expression_shape(other)


@pytest.mark.parametrize(
    "source",
    [
        "{{ resource['a' ~ x] }}",
        "{{ resource[('a')] }}",
        "{{ resource. in['a' 'b'] }}",
        "{{ resource['\\x61'] }}",
        "{{ {'a': 1}[x] }}",
        "{{ 5 % 2 }}",
        "{{{ x }}",
        "{# {{ x }} #}",
        "{% raw %}{{ x }}{% endraw %}",
        "{% include 'a.j2' %}{{ x }}",
        "{% macro a(b) %}{% endmacro %}{{ x }}",
        "{{ x",
        "{% if x",
        "{{ 'a }}",
    ],
)
def test_what_could_name_files_or_fields_or_keep_text_raw_has_no_shape(source: str) -> None:
    assert text_shape(source) is None


@given(source=st.text("ab {}%#\r\n\t\u2028", max_size=12))
def test_a_text_without_tags_is_what_jinja_makes_of_it(source: str) -> None:
    text = constant(source)
    if text is not None:
        assert text == Environment(autoescape=True).from_string(source).render()


def test_each_text_of_a_shape_compiles_once_and_only_the_first_before_it_runs() -> None:
    templates = _templates()
    texts = [templates.text(f"{{{{ resource.name }}}} paid {number}") for number in range(1, 11)]
    assert templates.codes == 1
    assert [text.render(_CONTEXT) for text in texts] == [f"Martin paid {number}" for number in range(1, 11)]
    assert templates.codes == 10
    assert [text.render(_CONTEXT) for text in texts][9] == "Martin paid 10"
    assert templates.codes == 10


def test_a_text_that_many_threads_run_first_compiles_once() -> None:
    templates = _templates()
    _, text = (templates.text(f"{{{{ resource.name }}}} paid {number}") for number in (1, 2))
    start = threading.Barrier(8)

    def run() -> None:
        start.wait()
        text.render(_CONTEXT)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert templates.codes == 2


def test_a_structure_compiles_its_texts_when_it_first_runs() -> None:
    templates = _templates()
    values = [
        templates.value({"a": f"{n} {{{{ event.id }}}}", "b": f"{{{{ resource.amount + {n} }}}}"}) for n in (1, 2)
    ]
    assert templates.codes == 2
    assert values[1].render(_CONTEXT) == {"a": "2 e-1", "b": 125002}
    assert templates.codes == 4


@pytest.mark.parametrize(
    "wrong", ["{{ resource.name | mony }} 2", "{{ resource.name | money(1, 2, 3, 4) }} 2", "{{ a b }} 2"]
)
def test_a_wrong_text_is_told_at_once_after_any_number_of_right_ones(wrong: str) -> None:
    templates = _templates()
    for number in range(3):
        templates.text(f"{{{{ resource.name | money('EUR') }}}} {number}")
    for _ in range(2):
        with pytest.raises(CompileError):
            templates.text(wrong)
