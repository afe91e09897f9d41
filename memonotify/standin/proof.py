"""A proof of payment as the bank gives it: a PDF of one page. In: the payment. Out: bytes. Called by the API."""

from __future__ import annotations

from memonotify.samples.books import Resource


def proof_of(payment: Resource) -> bytes:
    """Return a small PDF (ISO 32000) that names the payment's reference and amount."""
    amount = payment.get("amount", payment.get("instructed_amount"))
    currency = payment.get("currency", payment.get("instructed_currency"))
    text = f"Reference {payment['reference']}: {amount} {currency} in its smallest unit"
    drawn = f"BT /F1 12 Tf 60 760 Td ({_escaped(text)}) Tj ET".encode("latin-1", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    return _document(objects)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _document(objects: tuple[bytes, ...]) -> bytes:
    whole = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(whole))
        whole += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(whole)
    whole += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    whole += b"".join(b"%010d 00000 n \n" % place for place in places)
    whole += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(whole)
