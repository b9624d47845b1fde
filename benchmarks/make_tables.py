"""Make ``docs/benchmarks.md`` from the results. ``python benchmarks/make_tables.py``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Final

from harness import RESULTS, Claim, load

__all__ = ["BENCHMARKS", "write_page"]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BENCHMARKS: Final = {
    "read": """
        How many times faster than zarr-vectors 0.9.2, on stores that it wrote in 8 x 8 x 8 chunks. Both open the store
        inside the time unless the line says otherwise, and must return the same before anything is timed.""",
    "cells": """
        The path of every read, from files to decoded payloads in memory, against the least that must be done: 1 is the
        time of `open().read()`, with `zstandard` where the cells are compressed.""",
    "write": """
        How many times faster than zarr-vectors 0.9.2 writes the same points into 8 x 8 x 8 chunks; zvview chooses its
        chunks itself. The reference library reads the stores back equal.""",
    "pyramid": """
        Making all coarse levels in one process. Points lie along filaments with a thin background and carry two
        attributes; with the reference library and its tools both sides start from copies of one store that the
        reference library wrote in 8 x 8 x 8 chunks, and make as many levels (ours with attributes, theirs without).""",
    "pictures": """
        Every level against level 0, from the distance at which the level is chosen, where one bin is four pixels:
        intersection over union of what is covered, grown by four pixels; difference of the shares of colours; the
        farthest that a place of one is from the other, in bins; and the strongest spectral peak near the frequency of
        the bins over that of level 0. [Levels](levels.md) shows the pictures.""",
    "convert": """
        Foreign files to stores, against zarr-vectors-tools 0.3.0 on the same files; what comes back is the same.""",
    "convert_memory": """
        The highest anonymous memory of a conversion that may hold 16 MB of content, for an input four times as large
        against one; 1 is none that grows with the input.""",
    "memory": """
        The highest memory that a process needs to read a whole level, beyond what it held before, against the size of
        what is returned; 1 is the result itself.""",
    "edit": """
        1,000 edits in 100 neighbouring chunks, the operations and the commit with its coarse levels together: 600 moved
        within their neighbourhood, 200 deleted, 200 added; then one attribute of 1,000. Synapses are in the chunks that
        zvview chose; points of objects lie 2,000 and lines 4,000 vertices to a chunk. Of lines one vertex moves.
        Touched are the cells of the edited chunks and of those above them, shards where they are sharded, and the cells
        of tables that hold rows of edited objects.""",
    "commit": """
        The commit of bytes alone, every one of them synced, beside the plainest that keeps the same promises; and what
        is wrong after processes that do nothing but commit were killed at random moments, every fourth time while the
        disk fills up.""",
    "startup": """
        Fresh interpreters, compiled bytecode on disk.""",
    "streaming": """
        The streaming engine without a viewer: how soon a view is shown and settled, and what it reads in vain.""",
    "napari_browse": """
        The same in a real napari window with software drawing, on stores grown from real synapses, streamlines and a
        neuropil. The first batch is in the vertex buffer; reading all is zarr-vectors 0.9.2 and `viewer.add_points`, in
        a process of its own. Work on the window's thread is ours, paints are shown apart.""",
    "napari_edit": """
        Edits of 100,000 points with the tools of their layer, and of 50,000 vertices of a mesh by their handles, until
        the layer shows them with all edits: the longest piece of work of the thread of the window, in time of the
        processor without paints, and how long the tool itself took by the clock.""",
    "napari_save": """
        Saving from a napari window: a layer that streams, of which a hundredth is in view, as the store it stands for,
        compared value by value; then a `Points` layer in memory. The window is drawn meanwhile; its longest pause is
        how long it answered nothing.""",
    "neuroglancer_live": """
        What the client asks the live server for at first, by its own rule in a window of 1280 x 720 pixels, and what
        answering takes, from opening the store on; then single cells that nobody asked for before.""",
    "neuroglancer_export": """
        Ten million points as files for Neuroglancer, each found in its cell and by its id; then again with nothing
        changed, and after one point was moved. Streamlines are exported as lines and as skeletons. Skeletons come with
        all of their nodes and edges; by themselves, with what is told of their objects, their bytes are compared with
        those of zarr-vectors-tools 0.3.0, which writes a category as a byte: the client's shaders do not compile with
        it, so ours is a float. Shards of skeletons are compressed.""",
}


def write_page() -> None:
    """Write the page from those results that there are."""
    found = {name: load(name) for name in BENCHMARKS if (RESULTS / f"{name}.json").exists()}
    facts = [environment for environment, _ in found.values()]
    if not facts:
        raise SystemExit("no results yet: run benchmarks/run_all.py")
    machine = facts[0]
    python = f"Python {machine['python']} on {machine['system']} ({machine['processor']}, {machine['cores']} cores)"
    versions = ", ".join(f"{k} {machine[k]}" for k in ("numpy", "zarr", "zstandard", "zarr-vectors"))
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench` from scripts in `benchmarks/`: fixed seeds, medians, zvview and the reference library in "
        "turns in one run on the same store, files in the page cache.",
        "",
        f"{python}; {versions}.",
    ]
    for name, (_, claims) in found.items():
        lines += ["", f"## {name.capitalize()}", "", inspect.cleandoc(BENCHMARKS[name]), "", *_table(claims)]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(claims: list[Claim]) -> list[str]:
    rows = []
    for claim in claims:
        what, asked, measured, verdict = claim.row()
        mark = " (missed)" if verdict == "MISSED" else ""
        rows.append(f"| {what} | {asked} | {measured}{mark} | {claim.how} |")
    return ["| | asked | measured | how |", "|---|---|---|---|", *rows]


if __name__ == "__main__":
    write_page()
