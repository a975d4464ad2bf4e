"""What builds the documentation and the packages; `make` calls it."""
