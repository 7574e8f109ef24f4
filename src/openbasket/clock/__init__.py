"""Game clock to media time and back: anchors, and the map through them."""
