"""The order of asking. `chain.begin(context, then)` asks each entry, takes all or nothing, and calls `then`."""
