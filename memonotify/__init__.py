"""memonotify: bank events in, matched by YAML rules, out as mail, Slack messages and HTTP notifications."""

__version__ = "0.1.0"
