"""What plugins may ask of the gateway and of the control side."""
