"""What is left of an exchange: its events, its slot in the in-flight file, the reports of its worker."""
