"""Where films and posters come from: the user's own table and folder, or a painter."""
