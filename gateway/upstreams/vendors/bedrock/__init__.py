"""Amazon Bedrock's dialect: converse, invoke and their streams, counts of tokens, and OpenAI's paths."""

from gateway.upstreams.vendors.bedrock.dialect import Bedrock

__all__ = ["Bedrock"]
