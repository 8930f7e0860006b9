"""Models: the grammar of references, and which one wins."""
