"""What commands print for people: tables, bars and progress."""
