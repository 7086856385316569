"""What runs beside the collectors, on and on: it reads the log, and says what is so."""
