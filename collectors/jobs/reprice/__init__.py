"""``sluice reprice``: what exchanges cost by another version of the prices, computed from what vendors counted."""
