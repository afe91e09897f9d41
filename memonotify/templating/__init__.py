"""Expressions and messages: compiled once by the rules' loader, rendered by the engine for each event.

`Templates` compiles, `messages.compile_message` makes the messages of a channel. Importing this loads Jinja and
Babel, so a command imports it where it renders.
"""

from memonotify.templating.environment import Escape, Expression, Templates, Text, Value

__all__ = ["Escape", "Expression", "Templates", "Text", "Value"]
