"""One chart as a picture: bars of what came in and what went out, day by day.

In: in and out by the name of each day. Out: the bytes of a PNG, twice as many pixels as it is shown at, so that it is
sharp on every screen. It brings its own ground, since a mail client that is dark would show writing on a transparent
one dark on dark. Pillow is imported here, and this only where a chart is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 600
HEIGHT: Final = 200
"""As it is shown."""

_SCALE: Final = 2
_GROUND: Final = (255, 255, 255)
_LINE: Final = (208, 213, 220)
_INK: Final = (70, 80, 92)
_IN: Final = (31, 138, 112)
_OUT: Final = (201, 82, 60)
_COLOURS: Final = 32
_LEFT, _RIGHT, _TOP, _BOTTOM = 16, 16, 40, 30
_LABELS: Final = 8

Colour = tuple[int, int, int]


def drawn(days: Mapping[str, tuple[int, int]], *, title: str, most: str) -> bytes:
    """Return the chart. `title` stands above it, `most` says how much the highest bar is."""
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _GROUND)
    pen = _Pen(ImageDraw.Draw(image))
    pen.box(0, 0, WIDTH, HEIGHT, outline=_LINE)
    pen.write(_LEFT, 12, title, size=13)
    pen.box(WIDTH - 116, 14, WIDTH - 106, 24, fill=_IN)
    pen.write(WIDTH - 101, 12, "In", size=12)
    pen.box(WIDTH - 70, 14, WIDTH - 60, 24, fill=_OUT)
    pen.write(WIDTH - 55, 12, "Out", size=12)
    _bars(pen, days, most)
    out = io.BytesIO()
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


class _Pen:
    """Draws in the units that the chart is shown in."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def box(
        self, left: float, top: float, right: float, bottom: float, *, fill: Colour | None = None,
        outline: Colour | None = None,
    ) -> None:  # fmt: skip
        corners = (left * _SCALE, top * _SCALE, right * _SCALE - 1, bottom * _SCALE - 1)
        self._draw.rectangle(corners, fill=fill, outline=outline)

    def write(self, x: float, y: float, text: str, *, size: float, centred: bool = False) -> None:
        font = ImageFont.load_default(size * _SCALE)
        if centred:
            x -= self._draw.textlength(text, font=font) / _SCALE / 2
        self._draw.text((x * _SCALE, y * _SCALE), text, fill=_INK, font=font)


def _bars(pen: _Pen, days: Mapping[str, tuple[int, int]], most: str) -> None:
    highest = max((amount for pair in days.values() for amount in pair), default=0) or 1
    floor, height = HEIGHT - _BOTTOM, HEIGHT - _BOTTOM - _TOP - 14
    pen.box(_LEFT, floor - height, WIDTH - _RIGHT, floor - height + 0.5, fill=_LINE)
    pen.write(_LEFT, floor - height - 14, most, size=10)
    slot = (WIDTH - _LEFT - _RIGHT) / max(len(days), 1)
    bar = min(slot * 0.36, 26)
    step = -(-len(days) // _LABELS)
    for number, (day, pair) in enumerate(days.items()):
        middle = _LEFT + slot * (number + 0.5)
        for amount, left, colour in ((pair[0], middle - bar - 0.5, _IN), (pair[1], middle + 0.5, _OUT)):
            if amount > 0:
                top = floor - max(height * amount / highest, 1.0)
                pen.box(left, top, left + bar, floor, fill=colour)
        if (len(days) - 1 - number) % step == 0:
            pen.write(middle, floor + 7, day, size=10, centred=True)
    pen.box(_LEFT, floor, WIDTH - _RIGHT, floor + 0.5, fill=_INK)
