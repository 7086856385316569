"""Proves callers by tokens of the operator's own, instead of the gateway's: an example for any scheme of yours.

Which app a token is for says ``tokens``, or the attachment's own ``app_id``; without either the gateway refuses.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, model_validator

from sluice.sdk import AuthHandler, AuthRequest, BasePlugin, Context, Credential, PluginResponse

Token = Annotated[SecretStr, Field(min_length=1)]


class Known(BaseModel):
    """One caller."""

    token: Token
    app_id: Annotated[int, Field(ge=1)] | None = None
    user_id: str = "plugin-user"
    username: str = "Plugin User"


class Config(BaseModel):
    """Whose tokens are right; there is no default token."""

    valid_token: Token | None = None
    """Of one caller, whose app the attachment names."""
    tokens: tuple[Known, ...] = ()

    @model_validator(mode="after")
    def knows_somebody(self) -> Config:
        """Without a token every request would be refused."""
        if self.valid_token is None and not self.tokens:
            message = "valid_token and tokens are both missing; give one"
            raise ValueError(message)
        return self


class CustomAuth(BasePlugin[Config], AuthHandler):
    """Compares in constant time, and every token each time: how long it takes tells nothing."""

    name = "custom_auth"
    version = "1.0.0"

    async def initialize(self, ctx: Context, config: Config) -> None:
        """Take the tokens out of what hides them, once."""
        own = [] if config.valid_token is None else [Known(token=config.valid_token)]
        self._known = [(known.token.get_secret_value().encode(), known) for known in (*own, *config.tokens)]
        ctx.services.logger.info("custom auth is ready", runtime=ctx.runtime, tokens=len(self._known))

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> Credential | PluginResponse:
        """Accept, or answer 401 with what is wanted."""
        given = request.credential.encode("utf-8", "surrogatepass")
        found = [known for token, known in self._known if hmac.compare_digest(token, given)]
        if not found:
            ctx.services.logger.warning("authentication failed", token_provided=bool(given))
            return PluginResponse.block(401, "Invalid token", {"www-authenticate": "Bearer"})
        caller = found[0]
        return Credential(
            user_id=caller.user_id,
            username=caller.username,
            claims={"source": "custom-auth-plugin"},
            app_id=caller.app_id,
        )
