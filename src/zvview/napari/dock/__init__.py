"""The dock "Zarr Vectors": colour, legend, filter and find for the layer that is active.

Panels show a state and tell what the user wants; :mod:`zvview.napari.dock.dock` alone knows layers. What must be read
of a store is read by :mod:`zvview.napari.dock.background`, never on the thread of the window, and not while the dock
is hidden.
"""
