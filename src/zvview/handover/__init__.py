"""From one viewer to the other: what a napari window shows, opened in Neuroglancer, and the view taken back."""
