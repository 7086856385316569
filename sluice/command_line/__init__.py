"""How the ``sluice`` command looks and ends: help texts, completion, findings and their fixes, errors."""
