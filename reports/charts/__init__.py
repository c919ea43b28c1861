"""Geometry of the drawings: from values to positions. The SVG itself is in templates/charts.svg.j2.

Lengths are CSS pixels (96 per inch); the origin is the upper left corner. Every drawing carries a text that says what
it shows, for readers who cannot see it.
"""
