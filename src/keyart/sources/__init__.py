"""From lists of films to their posters: plan, fetch politely, continue after a stop, expire."""
