"""What plugins send to the control side, and how it gets there."""
