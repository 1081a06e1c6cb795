"""The server around the page: guard, visitors, files that were sent, memory, start."""
