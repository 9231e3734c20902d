"""Shadow models, and the attacks that learn from them."""
