"""The napari plugin: readers, layers that stream, and what binds them to the engine.

Positions are (N, D) in the store's axis order everywhere but here: layers show image order. :mod:`zvview.napari.frame`
is the only place that permutes.
"""
