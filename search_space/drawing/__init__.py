"""Drawings of architectures as SVG: levels as rows, the coarsest on top; columns by depth."""

from search_space.drawing.overlay import overlay
from search_space.drawing.picture import draw, stylesheet

svg = draw
"""The same by the name of what it returns."""

__all__ = ["draw", "overlay", "stylesheet", "svg"]
