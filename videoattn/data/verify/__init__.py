"""Whether the videos of a data set are whole."""
