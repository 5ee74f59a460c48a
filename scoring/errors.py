"""What can be wrong with data or a model. Every message is one sentence for the person at the keyboard."""

from __future__ import annotations


class ModelError(ValueError):
    """The model cannot be trained or used, or a model file is missing, damaged or altered."""


class DataError(ValueError):
    """A data folder or its description is incomplete or contradicts itself; the message says where."""
