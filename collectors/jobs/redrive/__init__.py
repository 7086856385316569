"""``sluice redrive``: dead letters, once more to the collectors that refused them."""
