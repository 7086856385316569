"""What all sinks that speak HTTP share: a client, what its answers mean, and the search for the item at fault."""
