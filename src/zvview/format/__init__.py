"""The specification in Python: names, metadata models, cells, fragments, manifests, links, the grid; no input or output."""
