"""A schema registry with Confluent's API: ids for what we write, schemas for what others wrote."""
