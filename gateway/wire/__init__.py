"""HTTP as values: no socket, no clock."""
