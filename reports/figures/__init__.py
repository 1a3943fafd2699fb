"""Figures: static SVG, and the interactive charts."""
