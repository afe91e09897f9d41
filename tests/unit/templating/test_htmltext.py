"""HTML to text: readable for a mail's HTML, total over everything else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from memonotify.templating.htmltext import html_to_text

SIGNS = """< > </ <!-- --> <![ ]]> <? <a href= ' " <p> </p> <ul> <li> </ul> <table><tr><td> </td> &amp; &#x0; &nbsp
&#99999999; <script> </script <pre> \0 é <h1> </h1> <br/> <ol\tstart=x> <img\talt=a> </a> <style> <head> \ud800"""
FRAGMENTS = st.sampled_from(SIGNS.replace("\n", " ").split(" ")) | st.just(" ") | st.just("\n")


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=40).map("".join)))
def test_any_string_becomes_text(html: str) -> None:
    text = html_to_text(html)
    assert text == text.strip("\n")


@given(st.text(alphabet="ab <>&\"'é", min_size=1, max_size=60))
def test_an_escaped_value_reads_as_it_was(value: str) -> None:
    assert html_to_text(f"<p>{escape(value)}</p>").split() == value.split()


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>A</h1><p>b <b>c</b>, d</p>", "A\n=\n\nb c, d"),
        ("<h2>Title</h2>x", "Title\n-----\n\nx"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>", "- a\n- b\n  - c"),
        ("<ol start='3'><li>a<li>b</ol>", "3. a\n4. b"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "A B\n1 2"),
        ("<table><tr><th>Reason</th><td>late</td></tr><tr><th>A:</th><td>1</td></tr></table>", "Reason: late\nA: 1"),
        ('<html lang="fr"><table><tr><th>Motif</th><td>F 118</td></tr></table>', "Motif\u00a0: F 118"),
        ('<a href="https://x/?a=1&amp;b=2">open</a> now', "open (https://x/?a=1&b=2) now"),
        ('<a href="https://x/">https://x/</a>', "https://x/"),
        ('<a href="mailto:a@b.c">a@b.c</a> <a href="#top">top</a>', "a@b.c top"),
        ('<a href="https://x/"></a>', "https://x/"),
        ('<a href="https://x/"><img alt="logo" src="y"></a>', "logo (https://x/)"),
        ("<style>p {}</style><script>if (a < b) '</p>'</script><title>t</title>x", "x"),
        ('<div style="DISPLAY : none">preheader</div>x', "x"),
        ("<p hidden>a</p><p>b</p>", "b"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<!DOCTYPE html><!-- <p>no</p> --><![CDATA[x]]>a", "a"),
        ('<p title="a > b">c</p>', "c"),
        ("1 < 2 and 3 > 2 & so on", "1 < 2 and 3 > 2 & so on"),
        ("120,50\xa0€ &eacute;&#8364;", "120,50\xa0€ é€"),
        ("a <b", "a <b"),
        ("<p>a\n  b\t c</p>", "a b c"),
        ("", ""),
    ],
)
def test_html_reads_well_as_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<a '", "<a \"'>", "<!--", "<![", "</", "<ul><li>", "<script>", "<a href=x>", "&#"]
)
def test_broken_html_takes_no_more_than_its_share_of_time(piece: str) -> None:
    """Half a megabyte takes less than a second; quadratic time would be minutes, so the bound can be wide."""
    begun = time.perf_counter()
    html_to_text(piece * 100_000)
    assert time.perf_counter() - begun < 20
