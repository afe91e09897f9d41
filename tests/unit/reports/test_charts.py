"""A chart is a small picture, twice as many pixels as it is shown at."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from memonotify.reports.charts import HEIGHT, WIDTH, drawn
from memonotify.reports.writing import CHART_HEIGHT, CHART_WIDTH, MAX_CHART_BYTES

_IN, _OUT, _GROUND = (31, 138, 112), (201, 82, 60), (255, 255, 255)


def colours(days: dict[str, tuple[int, int]]) -> set[tuple[int, ...]]:
    with Image.open(io.BytesIO(drawn(days, title="EUR", most="1 EUR"))) as image:
        plot = image.convert("RGB").crop((0, 120, image.width, image.height))
        return {colour for _, colour in plot.getcolors(100_000) or () if isinstance(colour, tuple)}


def test_messages_show_a_chart_at_the_size_it_is_drawn_for() -> None:
    assert (WIDTH, HEIGHT) == (CHART_WIDTH, CHART_HEIGHT)


@pytest.mark.parametrize("count", [1, 7, 31])
def test_a_chart_is_sharp_and_small(count: int) -> None:
    content = drawn(
        {f"{day:02}/03": (day * 7919 % 100, day * 104729 % 90) for day in range(count)}, title="EUR", most="9"
    )
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "PNG"
        assert image.size == (2 * WIDTH, 2 * HEIGHT)
    assert len(content) < MAX_CHART_BYTES / 4


def test_it_brings_its_own_ground_so_that_it_can_be_read_on_dark() -> None:
    with Image.open(io.BytesIO(drawn({"01/03": (1, 1)}, title="EUR", most="1"))) as image:
        assert "transparency" not in image.info
        assert image.convert("RGB").getpixel((20, 120)) == _GROUND


def test_a_day_on_which_nothing_came_in_has_no_bar_for_it() -> None:
    assert {_IN, _OUT} <= colours({"01/03": (5, 5)})
    assert _IN not in colours({"01/03": (0, 5)})
    assert _OUT not in colours({"01/03": (5, 0)})


def test_the_smallest_amount_can_be_seen_beside_the_largest() -> None:
    assert _OUT in colours({"01/03": (10**12, 1)})
