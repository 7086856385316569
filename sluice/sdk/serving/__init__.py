"""A Python plugin as a process of its own: the plugin's side of the plugin protocol."""
