"""Everything that a run stores, each with one typed model that its writer and every reader share."""
