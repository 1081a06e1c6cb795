"""Arrays in, pictures and figures out."""
