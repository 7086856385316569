"""The plugin protocol on the wire; imported only where a plugin runs in a process of its own."""
