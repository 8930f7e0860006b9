"""What every call used."""
