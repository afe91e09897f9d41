# ruff: noqa: E501 - a window and what is read of it, or said of it, are read side by side
"""Windows of `hours` as they are written, and what is said of one that cannot be."""

from __future__ import annotations

import pytest

from memonotify.config.hours import DAYS
from memonotify.config.schema import config_schema
from memonotify.config.values import Window
from memonotify.model import Severity
from memonotify.policies.calendar import CALENDARS

from .conftest import COMPLETE, Folder

LINE = COMPLETE.count("\n") + 1
"""Where the key `hours` stands."""


def a_window(days: str, start: int, end: int, **others) -> Window:
    wanted = frozenset(map(DAYS.index, days.split()))
    return Window(**{"days": wanted, "timezone": "Europe/Paris", "start": start * 60, "end": end * 60, **others})


@pytest.mark.parametrize(
    ("written", "windows"),
    [
        ('{days: [mon, wed], from: "19:00", to: "24:00"}', [a_window("mon wed", 19, 24)]),
        ('{days: [mon-fri], from: "19:00", to: "08:00"}', [a_window("mon tue wed thu fri", 19, 32)]),
        ('{days: [fri-mon, wed], from: "08:00", to: "19:00"}', [a_window("fri sat sun mon wed", 8, 19)]),
        ("{days: sat-sun}", [a_window("sat sun", 0, 24)]),
        ('{from: "19:00", to: "00:00"}', [a_window(" ".join(DAYS), 19, 24)]),
        ('[{from: "19:00", to: "08:00"}, {days: sun}]', [a_window(" ".join(DAYS), 19, 32), a_window("sun", 0, 24)]),
        ("{holidays: [france, target2, france]}", [a_window("", 0, 24, holidays=("france", "target2"))] ),
        ("{days: sun, holidays: target2}", [a_window("sun", 0, 24, holidays=("target2",))]),
        ('{from: "19:00", to: "08:00", holidays: [france]}', [a_window(" ".join(DAYS), 19, 32, holidays=("france",))]),
        ("{days: [mon], timezone: Asia/Tokyo}", [a_window("mon", 0, 24, timezone="Asia/Tokyo")]),
        ("{days: [mon], except: critical}", [a_window("mon", 0, 24, passes=frozenset({Severity.CRITICAL}))]),
        ("{days: [mon], except: [warning, critical]}", [a_window("mon", 0, 24, passes=frozenset({Severity.CRITICAL, Severity.WARNING}))]),
        ('{days: mon, from: "${env:ADMIN_TOKEN}", to: "${file:six}"}', [a_window("mon", 19, 30)]),
    ],
)  # fmt: skip
def test_a_window_is_read_as_it_is_written(written: str, windows: list[Window], folder: Folder) -> None:
    (folder.path / "six").write_text("06:00")
    folder.environ["ADMIN_TOKEN"] = "19:00"
    loaded = folder.load(f"{COMPLETE}\nhours:\n  quiet: {written}\n")
    assert loaded.config.hours == {"quiet": tuple(windows)}


def test_a_window_is_in_the_time_zone_of_the_configuration_unless_it_names_one(folder: Folder) -> None:
    text = COMPLETE.replace("timezone: Europe/Paris", "timezone: Europe/London")
    (window,) = folder.load(f"{text}\nhours: {{quiet: {{days: [sun]}}}}\n").config.hours["quiet"]
    assert window.timezone == "Europe/London"


def test_without_the_key_no_hours_are_quiet(folder: Folder) -> None:
    assert folder.load(COMPLETE).config.hours == {}


ALWAYS = (
    "`quiet` is always quiet: what waits for its end would wait forever (leave some time in which messages are sent)"
)


@pytest.mark.parametrize(
    ("written", "column", "core"),
    [
        ("{days: [monday]}", 18, "a day is mon, tue, wed, thu, fri, sat or sun, and a range is such as mon-fri"),
        ("{days: [mon, tu]}", 23, "a day is mon, tue, wed, thu, fri, sat or sun, and a range is such as mon-fri"),
        ("{days: [mon..fri]}", 18, "a day is mon, tue, wed, thu, fri, sat or sun, and a range is such as mon-fri"),
        ("{days: weekdays}", 17, "a day is mon, tue, wed, thu, fri, sat or sun, and a range is such as mon-fri"),
        ("{days: []}", 17, "`days` is an empty list"),
        ("{days: 1}", 17, "`days` must be a day, a range such as mon-fri, or a list of them"),
        ("{day: [mon]}", 11, "unknown key `day` in `hours.quiet` (did you mean `days`?)"),
        ('{from: "19:00"}', 11, '`from` needs a `to` (such as to: "08:00"; without both, it is the whole day)'),
        ('{to: "08:00"}', 11, '`to` needs a `from` (such as from: "19:00"; without both, it is the whole day)'),
        ('{from: "19:00", to: "19:00"}', 30, "`to` is the same as `from` (leave both out for the whole day)"),
        ('{from: "24:00", to: "08:00"}', 17, '`from`: 24:00 is the end of a day (a day begins at "00:00")'),
        ('{from: "19h", to: "08:00"}', 17, 'a time of day is hours and minutes in quotes, such as "08:00" or "19:30"'),
        ('{from: "9:00", to: "18:00"}', 17, 'a time of day is hours and minutes in quotes, such as "08:00" or "19:30"'),
        ('{from: "19:00", to: "24:30"}', 30, 'a time of day is hours and minutes in quotes, such as "08:00" or "24:00"'),
        ('{from: 19:00, to: "08:00"}', 17, "`19:00` is a number in base sixty to some readers of YAML (quote it if it is text)"),
        ('{from: "19:00", to: 8}', 30, '`to` must be text, not a number (a time of day is hours and minutes in quotes, such as "08:00" or "24:00")'),
        ('{from: "${env:ADMIN_TOKEN}", to: "08:00"}', 17, '`from`: `${env:ADMIN_TOKEN}` is not a time of day (hours and minutes in quotes, such as "08:00")'),
        ("{days: sun, timezone: Europe/Pari}", 32, "`timezone`: `Europe/Pari` is not a known time zone (did you mean `Europe/Paris`?)"),
        ("{holidays: [germany]}", 22, "item 1 of `holidays` is `germany`, which is not one of `france`, `target2`"),
        ("{holidays: target}", 21, "`holidays` must be france, target2, or a list of them"),
        ("{days: sun, except: [critcal]}", 31, "item 1 of `except` is `critcal`, which is not one of `info`, `warning`, `critical` (did you mean `critical`?)"),
        ("{days: sun, except: urgent}", 30, "`except` must be info, warning, critical, or a list of them"),
        ("{days: sun, except: [info, warning, critical]}", 30, "`except` lets everything pass, so that nothing is quiet (remove the window)"),
        ("[]", 10, "`quiet` is an empty list"),
        ("sundays", 10, "`quiet` must be a window or a list of windows"),
        ("{}", 3, ALWAYS),
        ("{days: [mon-sun]}", 3, ALWAYS),
        ('[{from: "08:00", to: "20:00"}, {from: "20:00", to: "08:00"}]', 3, ALWAYS),
        ('[{from: "08:00", to: "20:00"}, {from: "20:00", to: "08:00", except: critical}]', 3, ALWAYS),
        ('[{from: "08:00", to: "20:00"}, {from: "19:00", to: "07:00", timezone: Europe/London}]', 3, ALWAYS),
        ('[{days: [mon-sat]}, {days: sat, from: "23:00", to: "22:00"}, {days: sun, from: "21:00", to: "24:00"}]', 3, ALWAYS),
    ],
)  # fmt: skip
def test_a_window_that_cannot_be_is_told_at_its_place(written: str, column: int, core: str, folder: Folder) -> None:
    (complaint,) = folder.complaints(f"{COMPLETE}\nhours:\n  quiet: {written}\n")
    assert complaint == f"config.yaml:{LINE + 2}:{column}: {core}"


@pytest.mark.parametrize(
    "written",
    [
        '[{from: "08:00", to: "20:00"}, {from: "20:01", to: "08:00"}]',
        '[{from: "08:00", to: "20:00"}, {from: "20:00", to: "08:00", timezone: Europe/London}]',
        '[{days: [mon-sat]}, {days: sun, from: "00:01", to: "24:00"}]',
        "{days: [mon-sat], holidays: [france, target2]}",
    ],
)
def test_a_minute_a_week_without_quiet_is_enough(written: str, folder: Folder) -> None:
    assert folder.complaints(f"{COMPLETE}\nhours:\n  quiet: {written}\n") == []


def test_the_faults_of_all_windows_are_told_together(folder: Folder) -> None:
    text = '{days: [nun], from: "19:00", to: "19:00"}, {days: [mon], timezone: Mars}'
    complaints = folder.complaints(f"{COMPLETE}\nhours:\n  a: [{text}]\n  b: {{holidays: [x]}}\n  c: {{}}\n")
    places = [complaint.split(": ")[0] for complaint in complaints]
    assert places == [f"config.yaml:{place}" for place in (f"{LINE + 2}:15", f"{LINE + 2}:40", f"{LINE + 2}:74", f"{LINE + 3}:18", f"{LINE + 4}:3")]  # fmt: skip


def test_what_the_schema_offers_is_what_there_is() -> None:
    definitions = config_schema()["definitions"]
    window = definitions["window"]["properties"]
    assert tuple(definitions["days"]["anyOf"][0]["enum"]) == DAYS
    assert tuple(window["holidays"]["anyOf"][0]["enum"]) == CALENDARS
    assert window["except"]["anyOf"][0]["enum"] == list(Severity)
