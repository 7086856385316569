"""Tests of ``gateway.upstreams.vendors.bedrock.errors``."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.eventstream import EventStreamBuffer

from gateway.upstreams.vendors.bedrock.errors import error_body, stream_error

CLIENT = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 424, 429, 499, 500, 502, 503, 504, 529)


@pytest.mark.parametrize("status", STATUSES)
def test_every_error_is_of_a_class_that_the_sdk_has(status: int) -> None:
    """Its name in ``__type``; and no ``code``, which SDKs would take for it."""
    body = json.loads(error_body(status, "é\ud800", "our_code"))
    assert hasattr(CLIENT.exceptions, body["__type"])
    assert body == {"__type": body["__type"], "message": "é?", "status": status, "error_code": "our_code"}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("shape", ["ConverseStreamOutput", "ResponseStream"])
def test_a_stream_s_error_is_one_that_both_streams_have(status: int, shape: str) -> None:
    """Of others the SDK says nothing; its checksums are right, or this would not read it."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream_error(status, "no\ud800", "our_code"))
    (message,) = list(buffer)
    assert message.headers[":message-type"] == "exception"
    events = CLIENT.meta.service_model.shape_for(shape)
    assert message.headers[":exception-type"] in events.members
    assert json.loads(message.payload) == {"message": "no?", "error_code": "our_code"}
