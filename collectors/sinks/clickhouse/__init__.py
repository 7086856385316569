"""``sink://clickhouse``: rows over ClickHouse's HTTP interface."""
