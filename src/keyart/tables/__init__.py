"""People's own tables, given back with genres."""
