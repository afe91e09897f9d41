"""Files are put beside what a payload says of them; one that is gone keeps no mail from going."""

from __future__ import annotations

from memonotify.delivery.enclosures import enclosed

FILE = {"what": "proof", "name": "proof-1.pdf", "type": "application/pdf", "size": 5, "path": "/v2/transfers/1/proof"}
MAIL = {"subject": "s", "text": "t", "html": "<p>h</p>", "attach": [FILE]}


def reading(files: dict[str, bytes]):
    async def read(path: str) -> bytes | None:
        return files.get(path)

    return read


async def test_each_file_gets_its_content_and_the_payload_stays_as_it_was() -> None:
    whole = await enclosed(MAIL, reading({FILE["path"]: b"%PDF-"}))
    assert whole == {**MAIL, "attach": [{**FILE, "content": b"%PDF-"}]}
    assert "content" not in FILE


async def test_a_file_that_is_gone_is_left_out_and_said_in_text_and_html() -> None:
    whole = await enclosed(MAIL, reading({}))
    assert whole["attach"] == []
    assert whole["text"] == "t\n\nNote: proof-1.pdf is not there any more\n"
    assert "proof-1.pdf is not there any more" in whole["html"]
