"""Marks answers with who processed them and with the id of their request, and changes what they say."""

from sluice.sdk import BasePlugin, Context, ResponseHandler, ResponseWriteRequest, ResponseWriteResponse


class Processed(BasePlugin, ResponseHandler):
    name = "processed"

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        added = {"X-Processed-By": "gateway-plugin", "X-Request-ID": request.request_id}
        return ResponseWriteResponse.modify(headers=request.headers | added)

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(body=transform_response(request.body))


def transform_response(body: bytes) -> bytes:
    """What the operator wants changed."""
    return body.replace(b"colour", b"color")
