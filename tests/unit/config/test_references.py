"""What references read, and how they fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.config.references import MAX_BYTES, References, Resolved, UnresolvedError


@pytest.fixture
def references(tmp_path: Path) -> References:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/key").write_text("from systemd\n\n")
    (tmp_path / "token").write_text("from a file\r\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * (MAX_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    environ = {
        "A": "from the environment",
        "EMPTY": "",
        "ODD": "\udcff",
        "REF": "${env:A}",
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
    }
    return References(folder=tmp_path, environ=environ, must_resolve=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${env:A}", "from the environment"),
        ("${file:token}", "from a file"),
        ("${file:./credentials/../token}", "from a file"),
        ("${credential:key}", "from systemd"),
        ("Bearer ${env:A}, ${file:token}!", "Bearer from the environment, from a file!"),
        ("$${env:A}", "${env:A}"),
        ("$$${env:A}", "$${env:A}"),
        ("$5 and {a}", "$5 and {a}"),
        ("${env:REF}", "${env:A}"),
    ],
)
def test_a_reference_is_replaced_by_what_it_names(text: str, value: str, references: References) -> None:
    assert references.resolve(text).text == value


def test_an_absolute_path_is_taken_as_it_is(references: References, tmp_path: Path) -> None:
    assert references.resolve(f"${{file:{tmp_path}/token}}").text == "from a file"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${env:B}", "the environment variable B is not set"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty"),
        ("${env:ODD}", "the environment variable ODD is not UTF-8 text"),
        ("${file:absent}", "the file absent is not there"),
        ("${file:empty}", "the file empty is empty"),
        ("${file:large}", "the file large is larger than 64 KiB"),
        ("${file:binary}", "the file binary is not UTF-8 text"),
        ("${file:pipe}", "the file pipe is not a file"),
        ("${file:.}", "the file . is not a file"),
        (f"${{file:{'x' * 300}}}", f"the file {'x' * 300} cannot be read: File name too long"),
        ("${credential:absent}", "the credential absent is not there"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_or_let_be(text: str, sentence: str, references: References) -> None:
    with pytest.raises(UnresolvedError) as raised:
        references.resolve(text)
    assert str(raised.value) == sentence
    references.must_resolve = False
    assert references.resolve(text) == Resolved(text, text, is_known=False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${env:A-B}", "`A-B` is no name of an environment variable"),
        ("${env:}", "`` is no name of an environment variable"),
        ("${file:}", "a `${file:…}` needs a path"),
        ("${credential:../token}", "`../token` is no name of a credential"),
        ("${credential:.hidden}", "`.hidden` is no name of a credential"),
        ("${secret:a}", "`secret` is no kind of reference"),
        ("${A}", "`${A}` does not say where to look"),
        ("${}", "`` is no kind of reference"),
        ("${env:A", "a `${` is not closed"),
        ("${env:${env:A}}", "a `${` is not closed"),
    ],
)
def test_a_reference_that_is_written_wrongly_is_always_told(text: str, sentence: str, references: References) -> None:
    references.must_resolve = False
    with pytest.raises(UnresolvedError) as raised:
        references.resolve(text)
    assert str(raised.value) == sentence


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("x")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    references = References(folder=tmp_path, environ={}, must_resolve=True)
    with pytest.raises(UnresolvedError, match="the file key may not be read"):
        references.resolve("${file:key}")


def test_without_systemd_a_credential_says_what_the_unit_needs(tmp_path: Path) -> None:
    with pytest.raises(UnresolvedError) as raised:
        References(folder=tmp_path, environ={}, must_resolve=True).resolve("${credential:key}")
    assert raised.value.hint == "systemd sets it where the unit has LoadCredential=key:PATH"


@given(st.text(alphabet=st.sampled_from("${}:envfilcrdA/. \n"), max_size=30))
def test_no_text_makes_resolving_fail_in_another_way(text: str) -> None:
    references = References(folder=Path("/nonexistent"), environ={"A": "a"}, must_resolve=True)
    try:
        resolved = references.resolve(text)
    except UnresolvedError:
        assert "${" in text
    else:
        assert resolved.is_known
        assert "${" in text or resolved.text == text
