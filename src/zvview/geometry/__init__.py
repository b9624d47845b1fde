"""Geometry in memory: one batch type for each kind, parts of batches, trees, clipping."""
