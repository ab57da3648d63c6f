"""Tests, and the servers that they run on."""
