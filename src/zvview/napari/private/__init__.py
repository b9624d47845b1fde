"""Every private name of napari and vispy that zvview uses lives in this package, and nowhere else.

Layers of the public API alone cannot stream: setting ``Points.data`` to a million points costs a second of the thread
that draws. Where one of these names is missing, :mod:`zvview.napari.plain` shows less with public names.
"""
