"""Who may do what: credentials, and the admission that holds models, limits and budgets."""
