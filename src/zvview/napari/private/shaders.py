"""What the visuals of our own have in common."""

from __future__ import annotations

from typing import Final

__all__ = ["COLOURED_VERTICES"]

COLOURED_VERTICES: Final = """
    attribute vec3 a_position;
    attribute vec4 a_color;
    varying vec4 v_color;
    void main() {
        v_color = a_color;
        gl_Position = $transform(vec4(a_position, 1.0));
    }
"""
"""A vertex shader that hands the colour of each vertex on."""
