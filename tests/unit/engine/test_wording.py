"""Two texts word by word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.engine.wording import Piece, distance, normal, normal_html, pieces

TEXT = st.text(alphabet="ab <>,\u00a0\u202f\n", max_size=40)


def joined(found, *kinds):
    return "".join(piece.text for piece in found if piece.kind in kinds).strip()


@pytest.mark.parametrize("style", ["text", "html", "list"])
@given(expected=TEXT, got=TEXT)
def test_the_pieces_make_both_sides(style, expected, got):
    expected, got = normal(expected), normal(got)
    found = pieces(expected, got, style)
    # Where the space behind a tag or a comma is the only difference, there is none.
    spaces = {"text": " "}.get(style, "")
    assert joined(found, "same", "missing").replace(" ", spaces) == expected.replace(" ", spaces)
    assert joined(found, "same", "extra").replace(" ", spaces) == got.replace(" ", spaces)


def test_words_that_both_have_are_the_same_with_or_without_a_space_behind():
    assert pieces("is down", "is down to 1") == (Piece("same", "is down "), Piece("extra", "to 1"))


def test_a_tag_is_a_word_of_its_own():
    assert pieces("<b>1</b>", "<b>2</b>", "html") == (
        Piece("same", "<b>"),
        Piece("missing", "1"),
        Piece("extra", "2"),
        Piece("same", "</b>"),
    )


@pytest.mark.parametrize("space", ["&nbsp;", "&#160;", "&#xA0;", "&#8239;", "&#x202f;", "&thinsp;", "\u00a0", "\n  "])
def test_white_space_of_html_is_one_space_however_it_is_written(space):
    assert normal_html(f"120,50{space}€") == "120,50 €"


def test_the_distance_is_the_share_of_words_that_differ():
    assert distance("a b", "b a") == 0
    assert distance("a b", "a c") == 0.5
    assert distance("a", "b") == 1
    assert distance("", "") == 0
