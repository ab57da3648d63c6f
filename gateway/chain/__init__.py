"""The order of asking. `chain.begin(context, then)` asks each entry, takes from the store all or nothing, and calls `then`."""
