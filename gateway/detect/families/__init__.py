"""Families of evidence: each says what a cluster comes to by its signals, from counts against everybody else."""
