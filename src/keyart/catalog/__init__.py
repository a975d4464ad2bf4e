"""Catalogs: films with their posters, genres and splits, in Parquet that any tool can read."""
