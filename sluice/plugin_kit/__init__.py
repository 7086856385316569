"""What plugin authors run: a new plugin with its test, and a look at one that is there."""
