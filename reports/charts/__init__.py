"""Geometry of the drawings: from values to places. The SVG itself stands in templates/charts.svg.j2.

Lengths are CSS pixels (96 to the inch), the origin is the upper left corner. Every drawing carries the text that says
what it shows, for readers who do not see it.
"""
