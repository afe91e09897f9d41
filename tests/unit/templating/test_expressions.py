"""Conditions and other expressions: what they see, what they refuse, what their errors say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.errors import CompileError, RenderError
from memonotify.templating.environment import Templates


def test_a_condition_is_evaluated_over_the_context(templates: Templates, context: dict[str, Any]) -> None:
    condition = templates.expression('resource.direction == "credit" and (resource | amount) >= 10000')
    assert condition.holds(context) is True
    assert condition.names == {"resource"}


def test_a_field_wins_over_a_method_of_the_same_name(templates: Templates, context: dict[str, Any]) -> None:
    assert templates.expression("resource.items[1].id").evaluate(context) == "b"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("resource.nope > 1", "`resource.nope` is missing"),
        ("resource.nope.deeper > 1", "`resource.nope` is missing"),
        ("resource.source.nope == 'x'", "`resource.source.nope` is missing"),
        ("resource['nope'] ~ ''", "`resource.nope` is missing"),
        ("not resource.nope", "`resource.nope` is missing"),
        ("resource.nope", "`resource.nope` is missing"),
        ("resource.nope in ['a']", "`resource.nope` is missing"),
        ("resource.nope | list", "`resource.nope` is missing"),
        ("resource.nope | money", "`resource.nope` is missing"),
        (
            "resource.internal_note.nope > 1",
            "`resource.internal_note.nope` is missing, for `resource.internal_note` is none",
        ),
        ("nope > 1", "`nope` is not defined"),
        ("resource.id > 1", "'>' not supported between instances of 'str' and 'int'"),
        ("1 / 0", "division by zero"),
        ("event.event_type.upper", "this is a function, not a value: are the parentheses of a call missing?"),
        ("'a' * 10 ** 9", "the result is larger than 1 MiB"),
        ("9 ** 99999", "the power is too large a number"),
        ("'%99999d' % 1", "a width in a format has three digits at most"),
        ("'%*d' | format(99999, 1)", "a width in a format has three digits at most"),
    ],
)
def test_a_failing_expression_says_which_field_and_why(
    templates: Templates, context: dict[str, Any], source: str, said: str
) -> None:
    with pytest.raises(RenderError) as caught:
        templates.expression(source).evaluate(context)
    assert str(caught.value) == said


def test_a_resource_that_is_none_has_only_missing_fields(templates: Templates) -> None:
    context = {"resource": None}
    assert templates.expression("resource.a.b | default('x')").evaluate(context) == "x"
    assert templates.expression("resource.a is defined").evaluate(context) is False
    with pytest.raises(RenderError, match="^`resource.amount` is missing, for `resource` is none$"):
        templates.expression("resource.amount > 5").evaluate(context)


def test_a_lazy_sequence_is_no_condition(templates: Templates, context: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match="always true"):
        templates.expression("resource.items | selectattr('id', 'eq', 'z')").holds(context)
    assert not templates.expression("resource.items | selectattr('id', 'eq', 'z') | list").holds(context)


@pytest.mark.parametrize(
    "source",
    [
        "event.__class__",
        "event['__class__']",
        "event | attr('__class__')",
        "''.__class__.__mro__",
        "range.__globals__",
        "'{0.__class__}'.format(event)",
        "'{0.__class__}'.format_map(event)",
        "''['format']('x')",
        "['{0.__class__}'] | map('attr', 'format') | first",
        "resource.items.append(1)",
        "event.update({'a': 1})",
        "event.clear()",
        "cycler.__init__.__globals__",
    ],
)
def test_the_sandbox_gives_nothing_but_data(templates: Templates, context: dict[str, Any], source: str) -> None:
    with pytest.raises(RenderError):
        templates.expression(source).evaluate(context)


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("a && b", "unexpected char '&' at 2 (write `and`)", 1),
        ("a || b", "expected token 'name', got '|' (write `or`)", 1),
        ("a = b", "expected the end of the expression, got '=' (two values are compared with `==`)", 1),
        ("a\n and\n b c", "expected the end of the expression, got 'c'", 3),
        ("{{ a }}", "this is an expression already: leave out the braces `{{ }}` around it", 1),
        ("", "the expression is empty", 1),
        ("a\n| monney", "there is no filter 'monney' (did you mean 'money'?)", 2),
        ("a is definde", "there is no test 'definde' (did you mean 'defined'?)", 1),
        ("lipsum | random", "there is no filter 'random'", 1),
    ],
)
def test_an_expression_that_cannot_be_compiled_says_where_and_what_to_write(
    templates: Templates, source: str, said: str, line: int
) -> None:
    with pytest.raises(CompileError) as caught:
        templates.expression(source)
    assert caught.value.message.startswith(said)
    assert caught.value.line == line


def test_the_same_source_compiles_once(templates: Templates) -> None:
    assert templates.expression("event.id == 'x'") is templates.expression("event.id == 'x'")


@given(st.text(alphabet="ab.|()[]{}%\"'~+-*/<>=! \n01é_:,", max_size=40))
def test_any_source_compiles_or_is_a_compile_error(templates: Templates, source: str) -> None:
    for compile_ in (templates.expression, templates.text):
        try:
            compile_(source)
        except CompileError as error:
            assert 1 <= error.line <= source.count("\n") + 1
            assert error.message


def test_a_source_nested_too_deeply_is_a_compile_error(templates: Templates) -> None:
    with pytest.raises(CompileError):
        templates.expression("(" * 5000 + "1" + ")" * 5000)
