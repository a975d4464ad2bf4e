"""Catalogs: films with their posters, genres and parts, in Parquet that anything can read."""
