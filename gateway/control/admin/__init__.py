"""The control API from the shell: ``sluice admin``."""
