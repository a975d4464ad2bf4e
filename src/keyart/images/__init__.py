"""From the bytes of a poster to the pixels a network sees, the same way everywhere."""
