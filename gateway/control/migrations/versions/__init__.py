"""One file a revision, written by hand."""
