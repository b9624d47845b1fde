"""The page of an export, which opens it in Neuroglancer from wherever it is hosted.

The client takes no relative addresses: this page tells it where it lies itself, so that a moved export needs no change.
"""

from __future__ import annotations

import html
from typing import Final

from zvview.neuroglancer.links.urls import HOSTED

__all__ = ["make_page"]

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>@name@</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em; }
a#open { font-size: 1.2em; }
input { width: 100%; font: inherit; }
</style>
</head>
<body>
<h1>@name@</h1>
<p><a id="open">Open in Neuroglancer</a></p>
<p id="note" role="status"></p>
<p><label>Address of the client <input id="client" type="url" value="@client@"></label></p>
<script>
"use strict";
const base = new URL(".", location.href).href.replace(/\\/$/, "");
const link = document.getElementById("open"), note = document.getElementById("note");
const client = document.getElementById("client");
const place = (found) =>
  typeof found === "string" ? (found.startsWith("./") ? base + found.slice(1) : found)
  : Array.isArray(found) ? found.map(place)
  : found && typeof found === "object" ? { ...found, url: place(found.url) }
  : found;
const isHere = location.protocol === "file:" || /^(localhost|127\\.|\\[::1\\])/.test(location.hostname);
if (isHere) {
  note.textContent = "This address is one of this machine, which clients on other sites may not read: "
    + "'zvview serve' of this folder opens it here.";
}
fetch("state.json").then((reply) => reply.json()).then((state) => {
  const layers = state.layers.map((layer) => ({ ...layer, source: place(layer.source) }));
  const text = encodeURIComponent(JSON.stringify({ ...state, layers }));
  const update = () => { link.href = client.value.replace(/#.*$/s, "").replace(/([^/])$/, "$1/") + "#!" + text; };
  client.addEventListener("input", update);
  update();
}).catch((error) => { note.textContent = `state.json cannot be read: ${error}`; });
</script>
</body>
</html>
"""


def make_page(name: str) -> str:
    """The page of an export that is a folder.

    Parameters
    ----------
    name : str
        What it is called.
    """
    return _PAGE.replace("@client@", html.escape(HOSTED)).replace("@name@", html.escape(name))
