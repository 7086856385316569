"""Where documents go: each sink writes batches and answers for every item."""
