"""What vendors say of tokens, each in its own way, brought to one: read live, and from events again."""
