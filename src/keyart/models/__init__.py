"""Networks: from a poster's pixels to one logit per genre."""
