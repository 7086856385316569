"""What operators may ask of a running ``sluice collect`` beside how its services stand. See README.md."""
