"""Credit scoring for small firms: features, model, explanation, evaluation and synthetic data.

Arrays in, arrays out: nothing of the portal, no web framework and no database is imported here. LightGBM
is imported inside the functions that need it, so that importing this package stays light.
"""
