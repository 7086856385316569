"""OpenAI's dialect to Amazon Bedrock's: converse, its event stream, and ``invoke`` for embeddings."""

from gateway.bridge.bedrock.translator import BedrockTranslator

__all__ = ["BedrockTranslator"]
