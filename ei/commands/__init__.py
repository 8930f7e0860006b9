"""Commands, each one value beside its handler."""
