"""Long jobs: predictions of many films in shards, on this machine or on a Ray cluster."""
