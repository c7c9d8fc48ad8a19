"""The error of a deployment that cannot be."""

from __future__ import annotations


class DeploymentError(ValueError):
    """A deployment is not possible: the text is not understood, or the model does not fit."""
