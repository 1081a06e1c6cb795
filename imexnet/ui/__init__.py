"""The page: a folder for each tab, the components that they share, and the server around it."""
