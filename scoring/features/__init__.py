"""Features of firms from every source, declared once and computed with polars for one firm and for a million alike.

``registry.FEATURES`` is the list; ``compute.compute`` gives the matrix.
"""
