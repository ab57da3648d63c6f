"""One file a step, in the order of their numbers. Once released, a step is never changed: the next one is written."""
