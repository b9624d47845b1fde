"""Neuroglancer's precomputed formats: pure functions from arrays to bytes and documents; no store, no client."""
