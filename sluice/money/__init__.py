"""Money and what it is counted from: nanos, usage, prices, cost. Integers of 1e-9 currency units, never a float."""
