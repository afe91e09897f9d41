"""The mailbox's page: what came in, newest first; a mail as a client shows it, a Slack message as Slack draws it.

In: requests for the page and what it links to. Out: HTML, a mail's own HTML in a cage, its files to be saved.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from memonotify.standin.slackview import draw

if TYPE_CHECKING:
    from memonotify.standin.mailbox import Arrival, File, Mailbox

_PAGES: Final = Path(__file__).parent / "pages"
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "img-src 'self' data:"
)
# A mail is drawn as a careful client would: no scripts, nothing loaded from elsewhere. Where no script runs, the same
# origin gives nothing but that the page may measure it.
_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-same-origin"
)
_SNIPPET: Final = 300
_UNDERLINE: Final = re.compile(r"^[=-]{3,}\s*$", re.MULTILINE)
_UNFIT: Final = re.compile("[^A-Za-z0-9._ -]+")


def _file_headers(file: File) -> dict[str, str]:
    """What a mail says of its file is not believed: it is saved, never shown as a page of this origin."""
    is_pdf = file.media_type == "application/pdf" and file.content.startswith(b"%PDF-")
    name = _UNFIT.sub("-", file.name).strip(" .-") or "file"
    return {
        "Content-Type": "application/pdf" if is_pdf else "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "no-store",
    }


def _pretty(arrival: Arrival) -> str:
    if arrival.data is not None:
        return json.dumps(arrival.data, indent=2, ensure_ascii=False)
    return arrival.text


def _snippet(text: str) -> str:
    """Return the beginning of a text as one line, without the lines that underline a heading."""
    return " ".join(_UNDERLINE.sub("", text[:_SNIPPET]).split())


def page_routes(mailbox: Mailbox) -> list[web.RouteDef]:
    """Return the routes of the page over this mailbox."""
    pages = Environment(loader=FileSystemLoader(_PAGES), autoescape=True)
    pages.filters["draw"] = draw
    pages.filters["pretty"] = _pretty
    pages.filters["snippet"] = _snippet

    def shown(template: str, **values: Any) -> web.Response:
        return web.Response(
            text=pages.get_template(template).render(**values),
            content_type="text/html",
            headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"},
        )

    def found(request: web.Request) -> Arrival:
        number = request.match_info["number"]
        arrival = mailbox.find(int(number)) if number.isdecimal() else None
        if arrival is None:
            raise web.HTTPNotFound(text="This message is not kept any more.")
        return arrival

    async def index(_request: web.Request) -> web.Response:
        arrivals = list(mailbox.arrivals)
        return shown("mailbox.html", arrivals=arrivals, arrival=arrivals[0] if arrivals else None, reading=False)

    async def listing(_request: web.Request) -> web.Response:
        return shown("arrivals.html", arrivals=list(mailbox.arrivals), arrival=None)

    async def one(request: web.Request) -> web.Response:
        return shown("mailbox.html", arrivals=list(mailbox.arrivals), arrival=found(request), reading=True)

    async def mail(request: web.Request) -> web.Response:
        return web.Response(
            text=found(request).html, content_type="text/html", headers={"Content-Security-Policy": _MAIL_POLICY}
        )

    async def raw(request: web.Request) -> web.Response:
        return web.Response(text=found(request).body.decode("utf-8", "replace"), content_type="text/plain")

    async def file(request: web.Request) -> web.Response:
        files, number = found(request).files, request.match_info["file"]
        if not number.isdecimal() or int(number) >= len(files):
            raise web.HTTPNotFound(text="This message has no such file.")
        wanted = files[int(number)]
        return web.Response(body=wanted.content, headers=_file_headers(wanted))

    async def asset(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_PAGES / request.match_info["name"], headers={"Cache-Control": "no-store"})

    return [
        web.get("/", index),
        web.get("/arrivals", listing),
        web.get("/messages/{number}", one),
        web.get("/messages/{number}/html", mail),
        web.get("/messages/{number}/raw", raw),
        web.get("/messages/{number}/files/{file}", file),
        web.get("/{name:mailbox\\.css|mailbox\\.js}", asset),
    ]
