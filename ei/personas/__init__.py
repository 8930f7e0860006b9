"""Personas: the value and the library of files."""
