"""What kitchens are built of: solids, textures, styles, furniture, and what lies about."""
