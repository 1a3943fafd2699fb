"""From a model's name to a network with a new head."""
