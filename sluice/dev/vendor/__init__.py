"""A scripted vendor: an HTTP server that speaks OpenAI's dialect and does exactly what it is told."""


class MockVendor:
    """Placeholder while the servers are tried."""

    async def start(self, port: int = 0) -> None:
        """Start."""

    async def close(self) -> None:
        """Close."""
