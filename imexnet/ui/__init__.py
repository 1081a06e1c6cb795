"""The page: the photo, the story, the laboratory's tabs, what they share, and the server."""
