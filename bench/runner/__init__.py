"""Running a study: what is due, in which order, and what is stored of it."""
