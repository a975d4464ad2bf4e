"""What people say instead: corrections."""
