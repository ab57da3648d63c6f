"""One module a provider; what they share is in `provider`, `contract` and `signatures`."""
