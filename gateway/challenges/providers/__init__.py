"""Who tells people from programs: one contract, an adapter for each."""
