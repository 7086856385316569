"""Where the configuration of collectors comes from, whether it can be used here, and how what runs follows it."""
