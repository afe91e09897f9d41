"""The language of expressions: Jinja's sandbox, narrowed for bank data.

Takes template source, gives compiled code that reads data and nothing else. `environment` makes one of these for each
way of escaping. What differs from Jinja's own sandbox: a mapping's field wins over a method of the same name, a
missing field is chainable but never usable, `str.format` is not reachable, and a few operators cannot fill the
memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from jinja2 import Undefined, UndefinedError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from memonotify.errors import RenderError
from memonotify.templating.escaping import path_text, plain_json, shown, slack_markup, slack_text
from memonotify.templating.jsondata import MAX_RENDERED, too_large

_MAX_POWER_BITS = 4096
_FORMAT_WIDTH = re.compile(r"%[^a-zA-Z%]*(?:\*|\d{4})")
_REMOVED_FILTERS = ("random",)
"""Chance has no place in a message that must be the same each time it is rendered."""


class MissingError(UndefinedError):
    """A missing value was used. `obj` is what it was looked for in, `name` is the field."""

    def __init__(self, message: str, obj: Any, name: Any) -> None:
        super().__init__(message)
        self.obj = obj
        self.name = name

    @property
    def is_top_level(self) -> bool:
        """Whether the name itself is unknown, not a field of something."""
        return self.obj is missing


class Missing(Undefined):
    """What stands for a field that is not there: `default` and `is defined` take it, everything else raises."""

    __slots__ = ()

    def fail(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Raise MissingError, or the sandbox's own error where the attribute is forbidden."""
        if self._undefined_exception is not UndefinedError:
            raise self._undefined_exception(self._undefined_message)
        raise MissingError(self._undefined_message, self._undefined_obj, self._undefined_name)

    def __getitem__(self, _name: Any) -> Missing:  # type: ignore[override]
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = fail
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = fail
    __pos__ = __neg__ = __call__ = __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __complex__ = fail
    __eq__ = __ne__ = __hash__ = __str__ = __len__ = __iter__ = __contains__ = __bool__ = fail


def require(value: Any) -> Any:
    """Return a filter's value; raises MissingError where it is missing."""
    if isinstance(value, Missing):
        value.fail()
    return value


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandboxed environment over JSON data, for text without escaping or, with `autoescape`, for HTML."""

    intercepted_binops = frozenset({"*", "**", "%"})
    dropped_filters: ClassVar[tuple[str, ...]] = _REMOVED_FILTERS

    def __init__(self, **options: Any) -> None:
        # No auto_reload: what runs is what was checked, also where a file has changed since.
        super().__init__(undefined=Missing, auto_reload=False, cache_size=-1, finalize=shown, **options)
        self.filters = {name: call for name, call in FILTERS.items() if name not in self.dropped_filters}
        self.filters["format"] = _format
        del self.globals["lipsum"]
        self.policies["json.dumps_function"] = plain_json
        self.policies["json.dumps_kwargs"] = {}
        if not options.get("autoescape"):
            self.filters["tojson"] = plain_json

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a mapping's field before its methods: the bank may name a field `items`."""
        if isinstance(obj, Missing):
            return obj
        if type(obj) is dict or isinstance(obj, Mapping):
            value = obj.get(attribute, missing)
            if value is not missing:
                return value
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """Wrap nothing: `format` and `format_map` of a text are not reachable at all, see `is_safe_attribute`."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Say whether a template may read this attribute."""
        if isinstance(obj, str) and attr in ("format", "format_map"):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate `*`, `**` and `%` where the result stays small."""
        if operator == "%" and isinstance(left, str):
            _check_format(left)
        elif operator == "*":
            _check_repetition(left, right)
        elif operator == "**":
            _check_power(left, right)
        return super().call_binop(context, operator, left, right)


class PathSandbox(Sandbox):
    """The environment for the path of an address: each expression's value is percent-encoded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.finalize = path_text
        # A rule that encodes a value by itself must not get it encoded twice.
        self.filters["urlencode"] = shown


class _SlackCode(CodeGenerator):
    """Compiles every output of an expression as Slack text, whatever `{% autoescape %}` says."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:  # noqa: ARG002
        const = node.as_const(frame.eval_ctx)
        return str(const) if isinstance(node, nodes.TemplateData) else slack_text(const)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:  # noqa: ARG002
        self.write("environment.slack_text(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:  # noqa: ARG002
        self.write(")")


class SlackSandbox(Sandbox):
    """The environment for Slack text. Macros and blocks work as in HTML; no filter can mark a value as safe."""

    code_generator_class = _SlackCode
    slack_text = staticmethod(slack_text)
    dropped_filters = (*_REMOVED_FILTERS, "urlize", "xmlattr")

    def __init__(self, **options: Any) -> None:
        super().__init__(autoescape=True, **options)
        self.filters["safe"] = shown
        self.filters["tojson"] = plain_json
        self.filters["e"] = self.filters["escape"] = self.filters["forceescape"] = slack_markup
        self.filters["slack"] = slack_markup

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Parse, and have the result of a filter over a whole block escaped again: it may have undone the escaping."""
        tree = super()._parse(source, name, filename)
        for block in tree.find_all((nodes.AssignBlock, nodes.FilterBlock)):
            assert isinstance(block, nodes.AssignBlock | nodes.FilterBlock)  # noqa: S101 - narrows for the type checker
            if block.filter is not None:
                block.filter = nodes.Filter(block.filter, "slack", [], [], None, None, lineno=block.lineno)
        tree.set_environment(self)
        return tree


def _format(value: Any, *args: Any, **kwargs: Any) -> Any:
    """`"%s: %s" | format(a, b)`, with widths that stay small."""
    _check_format(str(value))
    return FILTERS["format"](value, *args, **kwargs)


def _check_format(pattern: str) -> None:
    if _FORMAT_WIDTH.search(pattern):
        raise RenderError("a width in a format has three digits at most")


def _check_repetition(left: Any, right: Any) -> None:
    for sized, times in ((left, right), (right, left)):
        if isinstance(sized, str | list | tuple) and isinstance(times, int) and len(sized) * times > MAX_RENDERED:
            raise too_large()


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > _MAX_POWER_BITS:
        raise RenderError("the power is too large a number")
