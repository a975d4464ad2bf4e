"""Object stores: addresses as paths, reading and writing objects, and local copies of them."""
