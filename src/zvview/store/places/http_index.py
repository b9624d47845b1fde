"""The names a plain web server shows in its index pages, as Python's ``http.server``, nginx and Apache write them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urljoin, urlsplit

__all__ = ["child_links", "read_index"]

_MOST_BYTES = 16 << 20


def read_index(address: str, headers: Mapping[str, str]) -> list[str] | None:
    """Names that the index page of the folder at `address` links to, folders with a slash; None without a page.

    Parameters
    ----------
    address : str
        Of the folder, percent-encoded or not, without a slash at its end.
    headers : mapping
        Sent with the request.
    """
    page = quote(address, safe="/:@!$&'()*+,;=~%[]") + "/"
    request = urllib.request.Request(page, headers={"Accept": "text/html", **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            if "html" not in answer.headers.get("Content-Type", ""):
                return None
            return child_links(answer.read(_MOST_BYTES).decode("utf-8", "replace"), page)
    except (OSError, ValueError):
        return None


def child_links(html: str, page: str) -> list[str]:
    """Names of the links in `html` that lie directly under the folder `page`, folders with a slash; sorted."""
    parser = _Links()
    parser.feed(html)
    base = urlsplit(page)
    names = set()
    for href in parser.found:
        try:
            target = urlsplit(urljoin(page, href))
        except ValueError:
            continue
        inside = target.path.startswith(base.path) and target[:2] == base[:2] and not target.query
        name = unquote(target.path[len(base.path) :]) if inside else ""
        if name.strip("/") and "/" not in name[:-1] and name.strip("/") not in (".", "..") and "\\" not in name:
            names.add(name)
    return sorted(names)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)
