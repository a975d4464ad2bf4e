"""From a catalog and a recipe to a run: trained, calibrated, exported and scored."""
