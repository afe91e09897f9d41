"""Messages: an entry's fields become a channel's payload, and something useful where they say nothing or fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.errors import RenderError
from memonotify.templating.environment import Templates
from memonotify.templating.messages import (
    Message,
    MessageProblems,
    annotate,
    compile_message,
    plain_payload,
    test_payload,
)

Over = Callable[..., Templates]
test_payload.__test__ = False  # type: ignore[attr-defined]
TYPES = ["email", "slack", "http"]


def _message(templates: Templates, channel_type: str, **fields: Any) -> Message:
    return compile_message(templates, channel_type, fields, rule="big", description="A big one")


def test_a_mail_is_addressed_titled_and_written(templates_over: Over, context: dict[str, Any]) -> None:
    templates = templates_over(**{"paid.html": "<p>{{ resource.counterparty_name }}</p>"})
    message = _message(
        templates,
        "email",
        channel="finance-mail",
        when="true",
        to=["cfo@example.com", "{{ workspace.name }}@example.com", "{% if false %}x@example.com{% endif %}"],
        cc="{{ ['a@example.com', 'b@example.com'] }}",
        reply_to=" r@example.com\n",
        subject="{{ resource.counterparty_name }}\r\nBcc: x paid {{ resource | money }}",
        html="paid.html.j2",
        attach=["proof"],
    )
    assert message.names == {"workspace", "resource"}
    assert message.render(context) == {
        "to": ["cfo@example.com", "acme@example.com"],
        "cc": ["a@example.com", "b@example.com"],
        "reply_to": "r@example.com",
        "subject": "Léa <b> & Cie Bcc: x paid 12\u202f050,00\xa0€",
        "html": "<p>Léa &lt;b&gt; &amp; Cie</p>",
        "text": "Léa <b> & Cie",
    }


def test_a_mail_without_recipients_of_its_own_goes_to_the_channels(templates: Templates) -> None:
    assert "to" not in _message(templates, "email", text="x").render({})


def test_a_mail_whose_recipients_all_vanish_is_an_error_not_a_mail_to_others(templates: Templates) -> None:
    with pytest.raises(RenderError, match="^to: no recipient is left$"):
        _message(templates, "email", to=["{{ '' }}"], text="x").render({})


def test_text_of_its_own_is_not_made_from_html(templates: Templates, context: dict[str, Any]) -> None:
    payload = _message(templates, "email", html="<b>a</b>", text="b {{ resource.counterparty_name }}").render(context)
    assert (payload["html"], payload["text"]) == ("<b>a</b>", "b Léa <b> & Cie")


@pytest.mark.parametrize("text", ["read <page.j2", "a\npage.j2", "see page.j2 now"])
def test_only_a_bare_name_is_a_file(templates: Templates, text: str) -> None:
    assert _message(templates, "email", text=text).render({})["text"] == text


@pytest.mark.parametrize("channel_type", ["email", "slack"])
def test_a_missing_file_is_a_problem_of_its_field(templates_over: Over, channel_type: str) -> None:
    with pytest.raises(MessageProblems) as caught:
        _message(templates_over(), channel_type, text="nope.j2")
    (problem,) = caught.value.problems
    assert problem.path == ("text",)
    assert "there is no template file" in problem.error.message


def test_slack_blocks_are_escaped_and_get_a_text(templates: Templates, context: dict[str, Any]) -> None:
    message = _message(
        templates,
        "slack",
        blocks=[
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "*{{ resource.counterparty_name }}* <{{ resource.link }}|open>"},
            },
            {"type": "actions", "elements": [{"type": "button", "url": "{{ resource.link }}"}]},
        ],
    )
    payload = message.render(context)
    line = "*Léa &lt;b&gt; &amp; Cie* <https://app.example/t?a=1&amp;b=2|open>"
    assert payload["blocks"][0]["text"]["text"] == line
    assert payload["blocks"][1]["elements"][0]["url"] == "https://app.example/t?a=1&b=2"
    assert payload["text"] == line


def test_slack_blocks_may_come_from_one_expression_but_must_be_blocks(templates: Templates) -> None:
    message = _message(templates, "slack", blocks="{{ v }}")
    assert message.render({"v": [{"type": "divider"}]}) == {"text": "big: event", "blocks": [{"type": "divider"}]}
    with pytest.raises(RenderError, match="^blocks: they are a list of mappings$"):
        message.render({"v": ["x"]})


def test_http_keeps_types_and_encodes_its_path(templates: Templates, context: dict[str, Any]) -> None:
    message = _message(
        templates,
        "http",
        json={"cents": "{{ resource.amount }}", "who": "{{ resource.counterparty_name }}"},
        path="/p/{{ resource.counterparty_name }}?q={{ 'a b' | urlencode }}",
        headers={"X-Kind": "{{ event.event_type }}\r\nX-Evil: 1", "X-Cents": "{{ resource.amount }}"},
    )
    assert message.render(context) == {
        "json": {"cents": 1205000, "who": "Léa <b> & Cie"},
        "path": "/p/L%C3%A9a%20%3Cb%3E%20%26%20Cie?q=a%20b",
        "headers": {"X-Kind": "transaction_confirmed X-Evil: 1", "X-Cents": "1205000"},
    }
    assert _message(templates, "http", body="{{ event | tojson }}").render({"event": {"a": "é"}}) == {
        "body": '{"a": "é"}'
    }


def test_json_that_is_null_is_sent_as_null(templates: Templates) -> None:
    assert _message(templates, "http", json="{{ none }}").render({}) == {"json": None}


@pytest.mark.parametrize("channel_type", TYPES)
def test_a_message_without_content_tells_the_facts(
    templates: Templates, context: dict[str, Any], channel_type: str
) -> None:
    message = _message(templates, channel_type)
    payload = message.render(context)
    told = json.dumps(payload, ensure_ascii=False)
    for fact in ("big", "transaction_confirmed", "evt-1", "7ad37a52", "Léa"):
        assert fact in told
    assert "7ad37a52" in json.dumps(message.render({**context, "resource": None}))
    assert message.names == frozenset()


def test_the_default_subject_names_rule_and_event(templates: Templates, context: dict[str, Any]) -> None:
    assert _message(templates, "email", text="x").render(context)["subject"] == "big: transaction_confirmed"


@pytest.mark.parametrize(
    ("channel_type", "fields", "said"),
    [
        ("email", {"subject": "{{ resource.nope }}"}, "subject: `resource.nope` is missing"),
        ("email", {"html": "a\n{{ resource.nope }}"}, "html: line 2: `resource.nope` is missing"),
        ("email", {"to": ["{{ resource.nope }}"]}, "to[0]: `resource.nope` is missing"),
        ("email", {"to": ["{{ event }}"]}, "to: a text is needed"),
        ("slack", {"text": "{{ resource.nope }}"}, "text: `resource.nope` is missing"),
        ("http", {"json": {"a": {"b": "{{ resource.nope }}"}}}, "json.a.b: `resource.nope` is missing"),
        ("http", {"body": "", "headers": {"X": "{{ resource.nope }}"}}, "headers.X: `resource.nope` is missing"),
        ("http", {"body": "", "path": "/{{ none }}"}, "path: none cannot stand in a path"),
        ("http", {"body": "", "path": "/{{ '..' }}/x"}, "path: has a part that is empty, `.` or `..`"),
        ("http", {"body": "", "path": "/p/{{ '' }}/x"}, "path: has a part that is empty, `.` or `..`"),
        ("http", {"body": "", "path": "/{{ 'x' * 9000 }}"}, "path: is longer than 8000 characters"),
        ("http", {"body": "", "headers": {"X Y": "{{ event.id }}"}}, "headers: `X Y` is not the name of a header"),
    ],
)
def test_a_failing_field_is_named(
    templates: Templates, context: dict[str, Any], channel_type: str, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(RenderError) as caught:
        _message(templates, channel_type, **fields).render(context)
    assert str(caught.value) == said


def test_every_field_that_cannot_be_compiled_is_told(templates: Templates) -> None:
    with pytest.raises(MessageProblems) as caught:
        _message(templates, "http", json={"a": ["{{", "{{ x | foo }}"]}, headers={"X": "{{ y | bar }}"}, body="x")
    assert {problem.path for problem in caught.value.problems} == {
        ("json", "a", 0),
        ("json", "a", 1),
        ("headers", "X"),
        ("body",),
    }


def test_each_expression_is_known_with_its_path(templates: Templates) -> None:
    message = _message(templates, "http", json={"a": [1, "{{ x }}"]}, path="/{{ y }}")
    assert {path: part.names for path, part in message.parts} == {("json", "a", 1): {"x"}, ("path",): {"y"}}
    assert set(message.places) == {"x", "y"}


def test_the_digest_changes_with_any_field(templates: Templates) -> None:
    digests = {_message(templates, "http", json={"a": value}).digest for value in (1, 2, "{{ x }}", "{{ y }}", [1])}
    assert len(digests) == 5


@pytest.mark.parametrize("channel_type", TYPES)
def test_the_plain_form_tells_event_rule_and_error(context: dict[str, Any], channel_type: str) -> None:
    payload = plain_payload(channel_type, event=context["event"], rule="big", error="subject: `x` is\nmissing")
    told = json.dumps(payload)
    for fact in ("big", "transaction_confirmed", "evt-1", "7ad37a52", "subject: `x` is missing"):
        assert fact in told


@pytest.mark.parametrize("channel_type", TYPES)
def test_the_plain_form_tells_who_paid_and_how_much(
    templates: Templates, context: dict[str, Any], channel_type: str
) -> None:
    resource = {"amount": 1_250_000, "currency": "EUR", "counterparty_name": "Durand & Fils"}
    told = str(_message(templates, channel_type).plain({**context, "resource": resource}, error="subject: gone"))
    assert "Durand &" in told
    assert "1250000" in told if channel_type == "http" else "500,00" in told


@given(
    resource=st.none()
    | st.lists(st.integers(), max_size=2)
    | st.fixed_dictionaries(
        {}, optional={"amount": st.none() | st.text() | st.floats() | st.integers(), "currency": st.text() | st.none()}
    )
)
def test_the_plain_form_can_be_made_of_any_resource(resource: Any) -> None:
    templates = Templates(folder=None, locale="fr_FR", timezone="Europe/Paris")
    for channel_type in TYPES:
        json.dumps(_message(templates, channel_type).plain({"event": {}, "resource": resource}, error="x"))


def test_the_plain_form_goes_to_the_messages_own_recipients(templates: Templates, context: dict[str, Any]) -> None:
    fields = {"to": ["cfo@example.com"], "cc": "{{ resource.nope }}", "subject": "{{ resource.nope }}"}
    payload = _message(templates, "email", **fields).plain(context, error="subject: gone")
    assert payload["to"] == ["cfo@example.com"]
    assert "cc" not in payload
    assert "Workspace:   acme" in payload["text"]
    payload = _message(templates, "http", path="/p/{{ event.id }}", json="{{ nope }}").plain(context, error="x")
    assert (payload["path"], payload["json"]["kind"]) == ("/p/evt-1", "plain_form")


def test_the_plain_form_goes_to_the_channels_own_address_where_the_path_or_a_header_is_impossible(
    templates: Templates, context: dict[str, Any]
) -> None:
    message = _message(templates, "http", path="/p/{{ '..' }}", headers={"X Y": "z", "X-Kind": "{{ event.id }}"})
    payload = message.plain(context, error="x")
    assert "path" not in payload
    assert payload["headers"] == {"X-Kind": "evt-1"}


EVENTS = st.dictionaries(
    st.text(), st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=2) | st.floats(), max_size=6
)


@given(event=EVENTS, error=st.text(), channel_type=st.sampled_from(TYPES), note=st.text())
def test_the_plain_form_and_the_note_can_always_be_made(
    event: dict[str, Any], error: str, channel_type: str, note: str
) -> None:
    payload = annotate(channel_type, plain_payload(channel_type, event=event, rule="r", error=error), note)
    json.dumps(payload)
    if channel_type == "slack":
        assert "<" not in payload["text"]
        assert ">" not in payload["text"]
    for value in payload.get("headers", {}).values():
        assert value.isascii()
        assert value.isprintable()


def test_a_note_is_added_where_people_read() -> None:
    note = "the bank did not give the resource: <timeout>"
    mail = annotate("email", {"subject": "s", "text": "t\n", "html": "<body><p>h</p></BODY >x"}, note)
    assert mail["text"] == f"t\n\nNote: {note}\n"
    assert mail["html"] == (
        "<body><p>h</p><p><em>Note: the bank did not give the resource: &lt;timeout&gt;</em></p></BODY >x"
    )
    assert annotate("email", {"text": "t", "html": "<p>h</p>"}, "n")["html"] == "<p>h</p><p><em>Note: n</em></p>"
    slack = annotate("slack", {"text": "t", "blocks": [{"type": "divider"}] * 50}, note)
    assert slack["text"] == "t\n_Note: the bank did not give the resource: &lt;timeout&gt;_"
    assert len(slack["blocks"]) == 50
    assert slack["blocks"][-1]["elements"][0]["text"].endswith("&lt;timeout&gt;")
    http = annotate("http", {"json": 1, "headers": {"X": "y"}}, "né")
    assert http == {"json": 1, "headers": {"X": "y", "X-Memonotify-Note": "n?"}}


def test_a_note_leaves_the_payload_it_was_given_alone() -> None:
    for channel_type, payload in (("email", {"text": "t"}), ("slack", {"text": "t", "blocks": [{}]}), ("http", {})):
        before = json.dumps(payload)
        annotate(channel_type, payload, "n")
        assert json.dumps(payload) == before


@pytest.mark.parametrize("channel_type", TYPES)
def test_the_test_message_says_that_it_is_one(channel_type: str) -> None:
    assert "test" in json.dumps(test_payload(channel_type, channel="erp"))
