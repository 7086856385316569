"""Vendors' dialects: how a model is named, usage is told, an error looks. One file each, the same anatomy."""
