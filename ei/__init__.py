"""ei: several personas in one terminal, each thinking with its own model."""

__version__ = "0.1.0"
