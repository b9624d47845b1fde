"""The specification in Python: names, metadata, cells, fragments, manifests, links, the grid; no input or output."""
