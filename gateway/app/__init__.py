"""The composition root, the only package that knows every layer: from checked files to processes that serve."""
