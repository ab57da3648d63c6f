"""A stand-in for providers of verifications: their documented protocols over HTTP, a page for a person, no person."""
