"""What vendors published on some day x what they counted = what they billed, to the nano.

Prices stand in dollars for a million tokens above the cases that they are for, as the vendor's page had them at the
time of the cases; the figures were made from those with fractions, not with the code that is tested. A price that
changed is two blocks. Where a case fails after ``make prices``, a price of the past was changed: look who is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from sluice.clock import micros_of
from sluice.money.base_prices import read_base_prices
from sluice.money.cost import cost_nanos, worst_nanos
from sluice.money.prices import PriceTable
from sluice.money.usage import Usage

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0"
TABLE = PriceTable([], read_base_prices())
FIELDS = {
    "prompt": "prompt_tokens",
    "response": "response_tokens",
    "read": "cache_read_prompt_tokens",
    "write": "cache_write_prompt_tokens",
    "write_1h": "cache_write_1h_prompt_tokens",
    "reasoning": "reasoning_tokens",
    "audio": "audio_prompt_tokens",
    "audio_out": "audio_response_tokens",
    "image_out": "image_response_tokens",
    "tools": "tool_requests",
}
"""What the table calls a count. Parts are parts: ``read`` is one of the prompt, ``write_1h`` one of ``write``."""

# vendor, model, moment | counts | nanos
CASES = """
# OpenAI, platform.openai.com/docs/pricing
# gpt-4o: prompt 2.50, read 1.25, response 10.00; a thousand searches 10
openai gpt-4o 2025-09-01 | prompt 1_000 response 500 | 7_500_000
openai gpt-4o 2025-09-01 | prompt 1 response 0 | 2_500
openai gpt-4o 2025-09-01 | prompt 0 response 1 | 10_000
openai gpt-4o 2025-09-01 | prompt 2_006 response 300 read 1_920 | 5_615_000
openai gpt-4o 2025-09-01 | prompt 300 response 1_200 reasoning 0 | 12_750_000
openai gpt-4o 2025-09-01 | prompt 812 response 96 tools 3 | 32_990_000
# gpt-4o-2024-05-13: prompt 5, response 15
openai gpt-4o-2024-05-13 2025-09-01 | prompt 1_000 response 500 | 12_500_000
openai gpt-4o-2024-05-13 2025-09-01 | prompt 37 response 911 | 13_850_000
# gpt-4o-2024-08-06: prompt 2.50, read 1.25, response 10.00
openai gpt-4o-2024-08-06 2025-09-01 | prompt 128_000 response 16_384 | 483_840_000
# gpt-4o-mini: prompt 0.15, read 0.075, response 0.60
openai gpt-4o-mini 2025-09-01 | prompt 1_000 response 500 | 450_000
openai gpt-4o-mini 2025-09-01 | prompt 1 response 1 | 750
openai gpt-4o-mini 2025-09-01 | prompt 4_096 response 17 read 4_096 | 317_400
openai gpt-4o-mini 2025-09-01 | prompt 9 response 12 | 8_550
openai gpt-4o-mini 2025-09-01 | prompt 127_999 response 1 read 1 | 19_200_375
# gpt-4.1: prompt 2, read 0.50, response 8; a thousand searches 10
openai gpt-4.1 2025-09-01 | prompt 1_000_000 response 32_768 | 2_262_144_000
openai gpt-4.1 2025-09-01 | prompt 1_047_576 response 0 read 1_000_000 | 595_152_000
openai gpt-4.1 2025-09-01 | prompt 19 response 10 | 118_000
openai gpt-4.1 2025-09-01 | prompt 55 response 55 tools 1 | 10_550_000
# gpt-4.1-mini: prompt 0.40, read 0.10, response 1.60
openai gpt-4.1-mini 2025-09-01 | prompt 1_234 response 567 | 1_400_800
openai gpt-4.1-mini 2025-09-01 | prompt 1_234 response 567 read 1_024 | 1_093_600
# gpt-4.1-nano: prompt 0.10, read 0.025, response 0.40
openai gpt-4.1-nano 2025-09-01 | prompt 1_234 response 567 | 350_200
openai gpt-4.1-nano 2025-09-01 | prompt 1_537 response 3 read 1_536 | 39_700
# o1: prompt 15, read 7.50, response 60
openai o1 2025-09-01 | prompt 75 response 1_186 reasoning 1_024 | 72_285_000
openai o1 2025-09-01 | prompt 2_048 response 100 read 1_920 reasoning 64 | 22_320_000
# o3: prompt 10, response 40
openai o3 2025-05-01 | prompt 75 response 1_186 reasoning 1_024 | 48_190_000
# o3: prompt 2, read 0.50, response 8
openai o3 2025-06-10 | prompt 75 response 1_186 reasoning 1_024 | 9_638_000
openai o3 2025-06-10 | prompt 5_000 response 2 read 4_992 | 2_528_000
# o3-mini: prompt 1.10, read 0.55, response 4.40
openai o3-mini 2025-09-01 | prompt 101 response 333 reasoning 320 | 1_576_300
# o4-mini: prompt 1.10, read 0.275, response 4.40
openai o4-mini 2025-09-01 | prompt 101 response 333 reasoning 320 | 1_576_300
openai o4-mini 2025-09-01 | prompt 1_025 response 1 read 1_024 | 287_100
# gpt-5: prompt 1.25, read 0.125, response 10; a thousand searches 10
openai gpt-5 2025-09-01 | prompt 1_000 response 500 reasoning 448 | 6_250_000
openai gpt-5 2025-09-01 | prompt 8_000 response 9 read 7_936 | 1_162_000
openai gpt-5 2025-09-01 | prompt 400 response 128_000 tools 12 | 1_400_500_000
# gpt-5-mini: prompt 0.25, read 0.025, response 2
openai gpt-5-mini 2025-09-01 | prompt 1_000 response 500 | 1_250_000
openai gpt-5-mini 2025-09-01 | prompt 2_049 response 7 read 2_048 | 65_450
# gpt-5-nano: prompt 0.05, read 0.005, response 0.40
openai gpt-5-nano 2025-09-01 | prompt 1_000 response 500 | 250_000
openai gpt-5-nano 2025-09-01 | prompt 2_049 response 7 read 2_048 | 13_090
openai gpt-5-nano 2025-09-01 | prompt 1 response 0 | 50
# gpt-realtime: prompt 4, read 0.40, response 16, audio 32, audio out 64
openai gpt-realtime 2025-09-01 | prompt 500 response 200 audio 400 audio_out 150 | 23_600_000
openai gpt-realtime 2025-09-01 | prompt 900 response 80 read 512 audio 300 audio_out 80 | 15_276_800
openai gpt-realtime 2025-09-01 | prompt 10 response 10 | 200_000
# text-embedding-3-small: prompt 0.02, response 0.02
openai text-embedding-3-small 2025-09-01 | prompt 8_192 response 0 | 163_840
openai text-embedding-3-small 2025-09-01 | prompt 5 | 100
# text-embedding-3-large: prompt 0.13, response 0.13
openai text-embedding-3-large 2025-09-01 | prompt 8_192 response 0 | 1_064_960
openai text-embedding-3-large 2025-09-01 | prompt 3 | 390
# gpt-3.5-turbo: prompt 0.50, response 1.50
openai gpt-3.5-turbo 2025-09-01 | prompt 1_000 response 500 | 1_250_000
# gpt-4-turbo: prompt 10, response 30
openai gpt-4-turbo 2025-09-01 | prompt 1_000 response 500 | 25_000_000
# gpt-4: prompt 30, response 60
openai gpt-4 2025-09-01 | prompt 1_000 response 500 | 60_000_000
openai gpt-4 2025-09-01 | prompt 8_191 response 1 | 245_790_000

# OpenAI's batches: half of the prompt and the response
# gpt-4o: prompt 1.25, response 5
openai gpt-4o 2026-11-02 | prompt 1_000 response 500 batch 1 | 3_750_000
# gpt-4o-mini: prompt 0.075, response 0.30
openai gpt-4o-mini 2026-11-02 | prompt 1_000 response 500 batch 1 | 225_000
openai gpt-4o-mini 2026-11-02 | prompt 1 response 1 batch 1 | 375
# gpt-4.1: prompt 1, response 4
openai gpt-4.1 2026-11-02 | prompt 77 response 88 batch 1 | 429_000
# o4-mini: prompt 0.55, response 2.20
openai o4-mini 2026-11-02 | prompt 101 response 333 reasoning 320 batch 1 | 788_150
# gpt-5: prompt 0.625, read 0.0625, response 5
openai gpt-5 2026-11-02 | prompt 1_001 response 500 batch 1 | 3_125_625
openai gpt-5 2026-11-02 | prompt 2_000 response 1 read 1_999 batch 1 | 130_562
# gpt-3.5-turbo: prompt 0.25, response 0.75
openai gpt-3.5-turbo 2026-11-02 | prompt 3 response 3 batch 1 | 3_000

# Azure OpenAI, azure.microsoft.com/pricing (global)
# gpt-4o: prompt 2.50, read 1.25, response 10
azure gpt-4o 2025-09-01 | prompt 1_000 response 500 | 7_500_000
azure gpt-4o 2025-09-01 | prompt 2_006 response 300 read 1_920 | 5_615_000
# gpt-4.1: prompt 2, read 0.50, response 8
azure gpt-4.1 2025-09-01 | prompt 1_000 response 500 | 6_000_000
azure gpt-4.1 2025-09-01 | prompt 1_100 response 1 read 1_024 | 672_000
# gpt-4o-mini: prompt 0.15, read 0.075, response 0.60
azure gpt-4o-mini 2025-09-01 | prompt 777 response 333 | 316_350
# o4-mini: prompt 1.10, read 0.275, response 4.40
azure o4-mini 2025-09-01 | prompt 64 response 640 reasoning 600 | 2_886_400

# Anthropic, docs.claude.com/en/docs/about-claude/pricing
# claude-3-5-haiku-20241022: prompt 0.80, read 0.08, write 1, 1 h 1.60, response 4
anthropic claude-3-5-haiku-20241022 2025-09-01 | prompt 1_000 response 500 | 2_800_000
anthropic claude-3-5-haiku-20241022 2025-09-01 | prompt 3_000 response 10 read 2_048 | 965_440
anthropic claude-3-5-haiku-20241022 2025-09-01 | prompt 3_000 response 10 write 2_048 | 2_849_600
anthropic claude-3-5-haiku-20241022 2025-09-01 | prompt 3_000 response 10 write 2_048 write_1h 2_048 | 4_078_400
# claude-3-haiku-20240307: prompt 0.25, read 0.03, write 0.30, 1 h 0.50, response 1.25
anthropic claude-3-haiku-20240307 2025-09-01 | prompt 1_000 response 500 | 875_000
anthropic claude-3-haiku-20240307 2025-09-01 | prompt 5_000 response 3 read 2_500 write 2_400 | 823_750
# claude-3-opus-20240229: prompt 15, read 1.50, write 18.75, response 75
anthropic claude-3-opus-20240229 2025-09-01 | prompt 1_000 response 500 | 52_500_000
anthropic claude-3-opus-20240229 2025-09-01 | prompt 2_000 response 1 write 1_999 | 37_571_250
# claude-3-7-sonnet-20250219: prompt 3, read 0.30, write 3.75, 1 h 6, response 15
anthropic claude-3-7-sonnet-20250219 2025-09-01 | prompt 1_000 response 500 reasoning 0 | 10_500_000
anthropic claude-3-7-sonnet-20250219 2025-09-01 | prompt 1_999 response 1 read 1_000 write 900 write_1h 400 | 4_887_000
# claude-sonnet-4-20250514: prompt 3, read 0.30, write 3.75, 1 h 6, response 15; a thousand searches 10
anthropic claude-sonnet-4-20250514 2025-09-01 | prompt 1_000 response 500 | 10_500_000
anthropic claude-sonnet-4-20250514 2025-09-01 | prompt 105 response 6_039 tools 1 | 100_900_000
# claude-opus-4-20250514: prompt 15, read 1.50, write 18.75, 1 h 30, response 75
anthropic claude-opus-4-20250514 2025-09-01 | prompt 1_000 response 500 | 52_500_000
anthropic claude-opus-4-20250514 2025-09-01 | prompt 188_086 response 393 read 0 write 188_086 | 3_556_087_500
# claude-opus-4-1-20250805: prompt 15, read 1.50, write 18.75, 1 h 30, response 75; a thousand searches 10
anthropic claude-opus-4-1-20250805 2025-09-01 | prompt 21 response 393 read 0 | 29_790_000
anthropic claude-opus-4-1-20250805 2025-09-01 | prompt 188_107 response 393 read 188_086 | 311_919_000
anthropic claude-opus-4-1-20250805 2025-09-01 | prompt 600 response 60 write 512 write_1h 256 tools 2 | 38_300_000
# claude-sonnet-4-5-20250929: prompt 3, read 0.30, write 3.75, 1 h 6, response 15; above 200_000: prompt 6, read
#   0.60, write 7.50, 1 h 12, response 22.50; a thousand searches 10
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 1_000 response 500 | 10_500_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 200_000 response 1_000 | 615_000_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 200_001 response 1_000 | 1_222_506_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 200_001 response 10 read 200_000 | 120_231_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 300_000 response 10 write 100_000 | 1_950_225_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 300000 response 10 write 100000 write_1h 60000 | 2_220_225_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 199_999 response 10 read 150_000 write 49_000 | 231_897_000
anthropic claude-sonnet-4-5-20250929 2025-10-01 | prompt 250_000 response 1 tools 5 | 1_550_022_500
# claude-haiku-4-5-20251001: prompt 1, read 0.10, write 1.25, 1 h 2, response 5
anthropic claude-haiku-4-5-20251001 2025-11-01 | prompt 1_000 response 500 | 3_500_000
anthropic claude-haiku-4-5-20251001 2025-11-01 | prompt 4_097 response 7 read 4_096 | 445_600
anthropic claude-haiku-4-5-20251001 2025-11-01 | prompt 4_097 response 7 write 4_096 | 5_156_000
anthropic claude-haiku-4-5-20251001 2025-11-01 | prompt 4_097 response 7 write 4_096 write_1h 1 | 5_156_750
anthropic claude-haiku-4-5-20251001 2025-11-01 | prompt 250_000 response 10 | 250_050_000
# claude-opus-4-5-20251101: prompt 5, read 0.50, write 6.25, 1 h 10, response 25; a thousand searches 10
anthropic claude-opus-4-5-20251101 2025-12-01 | prompt 1_000 response 500 | 17_500_000
anthropic claude-opus-4-5 2025-12-01 | prompt 10001 response 77 read 5000 write 4000 write_1h 1000 tools 1 | 48_180_000

# Anthropic's batches: half of all tokens, also cached ones; searches at the full price
# claude-haiku-4-5: prompt 0.50, read 0.05, write 0.625, 1 h 1, response 2.50; a thousand searches 10
anthropic claude-haiku-4-5 2026-11-02 | prompt 1_000 response 500 batch 1 | 1_750_000
anthropic claude-haiku-4-5 2026-11-02 | prompt 3_001 response 1 read 1_000 write 1_001 batch 1 | 1_178_125
anthropic claude-haiku-4-5 2026-11-02 | prompt 10 response 10 tools 2 batch 1 | 20_030_000
# claude-opus-4-5: prompt 2.50, response 12.50
anthropic claude-opus-4-5 2026-11-02 | prompt 1_000 response 500 batch 1 | 8_750_000
# claude-sonnet-4-5: prompt 1.50, response 7.50
anthropic claude-sonnet-4-5 2026-11-02 | prompt 1_000 response 500 batch 1 | 5_250_000

# Google AI, ai.google.dev/gemini-api/docs/pricing
# gemini-2.5-pro: prompt 1.25, read 0.125, response 10; above 200_000: prompt 2.50, read 0.25, response 15; a
#   thousand searches 35
google_ai gemini-2.5-pro 2025-09-01 | prompt 1_000 response 500 reasoning 300 | 6_250_000
google_ai gemini-2.5-pro 2025-09-01 | prompt 200_000 response 8 | 250_080_000
google_ai gemini-2.5-pro 2025-09-01 | prompt 200_001 response 8 | 500_122_500
google_ai gemini-2.5-pro 2025-09-01 | prompt 300_000 response 65_536 read 250_000 | 1_170_540_000
google_ai gemini-2.5-pro 2025-09-01 | prompt 12 response 34 tools 1 | 35_355_000
# models/gemini-2.5-flash: prompt 0.30, read 0.03, response 2.50, audio 1.00
google_ai models/gemini-2.5-flash 2025-09-01 | prompt 1_000 response 500 | 1_550_000
google_ai models/gemini-2.5-flash 2025-09-01 | prompt 1_000 response 500 audio 800 | 2_110_000
google_ai models/gemini-2.5-flash 2025-09-01 | prompt 5_000 response 1 read 4_096 | 396_580
google_ai models/gemini-2.5-flash 2025-09-01 | prompt 258 response 999 reasoning 900 | 2_574_900
# gemini-2.5-flash-lite: prompt 0.10, read 0.01, response 0.40, audio 0.30
google_ai gemini-2.5-flash-lite 2025-09-01 | prompt 1_000 response 500 | 300_000
google_ai gemini-2.5-flash-lite 2025-09-01 | prompt 1_000 response 500 audio 1_000 | 500_000
google_ai gemini-2.5-flash-lite 2025-09-01 | prompt 4_097 response 1 read 4_096 | 41_460
# gemini-2.0-flash: prompt 0.10, read 0.025, response 0.40, audio 0.70
google_ai gemini-2.0-flash 2025-09-01 | prompt 1_000 response 500 | 300_000
google_ai gemini-2.0-flash 2025-09-01 | prompt 321 response 1 audio 320 | 224_500
google_ai gemini-2.0-flash 2025-09-01 | prompt 4_097 response 1 read 4_096 | 102_900
# gemini-1.5-pro: prompt 1.25, response 5; above 128_000: prompt 2.50, response 10
google_ai gemini-1.5-pro 2025-09-01 | prompt 128_000 response 100 | 160_500_000
google_ai gemini-1.5-pro 2025-09-01 | prompt 128_001 response 100 | 321_002_500
# gemini-1.5-flash: prompt 0.075, read 0.01875, response 0.30; above 128_000: prompt 0.15, read 0.0375, response
#   0.60
google_ai gemini-1.5-flash 2025-09-01 | prompt 1_000 response 500 | 225_000
google_ai gemini-1.5-flash 2025-09-01 | prompt 128_001 response 1 | 19_200_750
google_ai gemini-1.5-flash 2025-09-01 | prompt 1_000 response 0 read 999 | 18_806
google_ai gemini-1.5-flash 2025-09-01 | prompt 1_001 response 0 read 998 | 18_938
google_ai gemini-1.5-flash 2025-09-01 | prompt 2 response 0 read 2 | 38
google_ai gemini-1.5-flash 2025-09-01 | prompt 150_001 response 0 read 150_001 | 5_625_038
# gemini-2.5-flash-image: prompt 0.30, response 2.50, image out 30
google_ai gemini-2.5-flash-image 2025-11-01 | prompt 20 response 1_290 image_out 1_290 | 38_706_000
google_ai gemini-2.5-flash-image 2025-11-01 | prompt 278 response 1_350 image_out 1_290 | 38_933_400
# gemini-3-pro-preview: prompt 2, read 0.20, response 12; above 200_000: prompt 4, read 0.40, response 18
google_ai gemini-3-pro-preview 2025-12-01 | prompt 1_000 response 500 | 8_000_000
google_ai gemini-3-pro-preview 2025-12-01 | prompt 200_001 response 500 read 100_000 | 449_004_000
# gemini-embedding-001: prompt 0.15, response 0.15
google_ai gemini-embedding-001 2025-09-01 | prompt 2_048 | 307_200

# Google's batches: half
# gemini-2.5-flash: prompt 0.15, response 1.25, audio 0.50
google_ai gemini-2.5-flash 2026-11-02 | prompt 1_000 response 500 batch 1 | 775_000
google_ai gemini-2.5-flash 2026-11-02 | prompt 1_000 response 500 audio 10 batch 1 | 778_500
# gemini-2.5-flash-lite: prompt 0.05, response 0.20
google_ai gemini-2.5-flash-lite 2026-11-02 | prompt 1_001 response 501 batch 1 | 150_250

# Vertex, cloud.google.com/vertex-ai/generative-ai/pricing
# publishers/google/models/gemini-2.5-pro: prompt 1.25, read 0.125, response 10; above 200_000: prompt 2.50, read
#   0.25, response 15
vertex publishers/google/models/gemini-2.5-pro 2025-09-01 | prompt 1_000 response 500 | 6_250_000
vertex publishers/google/models/gemini-2.5-pro 2025-09-01 | prompt 200_001 response 8 | 500_122_500
# gemini-2.5-flash: prompt 0.30, read 0.03, response 2.50
vertex gemini-2.5-flash 2025-09-01 | prompt 4_321 response 123 | 1_603_800
# claude-sonnet-4-5@20250929: prompt 3, read 0.30, write 3.75, 1 h 6, response 15; above 200_000: prompt 6, read
#   0.60, write 7.50, 1 h 12, response 22.50
vertex claude-sonnet-4-5@20250929 2025-10-01 | prompt 1_000 response 500 | 10_500_000
vertex claude-sonnet-4-5@20250929 2025-10-01 | prompt 2_000 response 5 read 1_000 write 900 | 4_050_000
vertex claude-sonnet-4-5@20250929 2025-10-01 | prompt 200_001 response 500 | 1_211_256_000

# Bedrock, aws.amazon.com/bedrock/pricing (us-east-1)
# anthropic.claude-3-haiku-20240307-v1:0: prompt 0.25, response 1.25
bedrock anthropic.claude-3-haiku-20240307-v1:0 2025-09-01 | prompt 1_000 response 500 | 875_000
# anthropic.claude-3-5-sonnet-20241022-v2:0: prompt 3, read 0.30, write 3.75, response 15
bedrock anthropic.claude-3-5-sonnet-20241022-v2:0 2025-09-01 | prompt 1_000 response 500 | 10_500_000
bedrock anthropic.claude-3-5-sonnet-20241022-v2:0 2025-09-01 | prompt 3_000 response 5 read 2_000 write 900 | 4_350_000
# us.anthropic.claude-3-haiku-20240307-v1:0: prompt 0.25, response 1.25
bedrock us.anthropic.claude-3-haiku-20240307-v1:0 2025-09-01 | prompt 17 response 3 | 8_000
# us.anthropic.claude-3-haiku-20240307-v1:0: prompt 0.25, response 1.25
bedrock PROFILE 2025-09-01 | prompt 1_001 response 501 | 876_500
# amazon.nova-pro-v1:0: prompt 0.80, read 0.20, response 3.20
bedrock amazon.nova-pro-v1:0 2025-09-01 | prompt 1_000 response 500 | 2_400_000
bedrock amazon.nova-pro-v1:0 2025-09-01 | prompt 1_000 response 1 read 900 | 263_200
# amazon.nova-lite-v1:0: prompt 0.06, read 0.015, response 0.24
bedrock amazon.nova-lite-v1:0 2025-09-01 | prompt 1_000 response 500 | 180_000
bedrock amazon.nova-lite-v1:0 2025-09-01 | prompt 1_000 response 1 read 999 | 15_285
# amazon.nova-micro-v1:0: prompt 0.035, read 0.00875, response 0.14
bedrock amazon.nova-micro-v1:0 2025-09-01 | prompt 1_000 response 500 | 105_000
bedrock amazon.nova-micro-v1:0 2025-09-01 | prompt 2 response 0 read 2 | 18
bedrock amazon.nova-micro-v1:0 2025-09-01 | prompt 1 response 0 read 1 | 9
bedrock amazon.nova-micro-v1:0 2025-09-01 | prompt 6 response 0 read 6 | 52
# meta.llama3-1-70b-instruct-v1:0: prompt 0.72, response 0.72
bedrock meta.llama3-1-70b-instruct-v1:0 2025-09-01 | prompt 1_000 response 500 | 1_080_000

# Mistral, mistral.ai/pricing
# mistral-large-latest: prompt 2, response 6
mistral mistral-large-latest 2025-09-01 | prompt 1_000 response 500 | 5_000_000
mistral mistral-large-latest 2025-09-01 | prompt 13 response 7 | 68_000
# mistral-small-latest: prompt 0.10, response 0.30
mistral mistral-small-latest 2025-09-01 | prompt 1_000 response 500 | 250_000
# codestral-latest: prompt 0.30, response 0.90
mistral codestral-latest 2025-09-01 | prompt 1_000 response 500 | 750_000
mistral codestral-latest 2025-09-01 | prompt 256_000 response 1 | 76_800_900
# open-mistral-nemo: prompt 0.15, response 0.15
mistral open-mistral-nemo 2025-09-01 | prompt 1_000 response 500 | 225_000

# Groq, groq.com/pricing
# llama-3.3-70b-versatile: prompt 0.59, response 0.79
groq llama-3.3-70b-versatile 2025-09-01 | prompt 1_000 response 500 | 985_000
groq llama-3.3-70b-versatile 2025-09-01 | prompt 1 response 1 | 1_380
# llama-3.1-8b-instant: prompt 0.05, response 0.08
groq llama-3.1-8b-instant 2025-09-01 | prompt 1_000 response 500 | 90_000
groq llama-3.1-8b-instant 2025-09-01 | prompt 131_072 response 0 | 6_553_600

# DeepSeek, api-docs.deepseek.com/quick_start/pricing: by the hour, in UTC, until September 2025
# deepseek-chat: prompt 0.27, read 0.07, response 1.10
deepseek deepseek-chat 2025-06-01T12:00 | prompt 1_000 response 500 | 820_000
deepseek deepseek-chat 2025-06-01T12:00 | prompt 1_000 response 500 read 896 | 640_800
# deepseek-chat: prompt 0.27, response 1.10
deepseek deepseek-chat 2025-06-01T16:29:59 | prompt 1_000 response 500 | 820_000
# deepseek-chat: prompt 0.135, read 0.035, response 0.55
deepseek deepseek-chat 2025-06-01T16:30 | prompt 1_000 response 500 | 410_000
deepseek deepseek-chat 2025-06-01T16:30 | prompt 1_000 response 500 read 896 | 320_400
# deepseek-chat: prompt 0.135, response 0.55
deepseek deepseek-chat 2025-06-02T00:29:59 | prompt 1_001 response 501 | 410_685
# deepseek-reasoner: prompt 0.55, read 0.14, response 2.19
deepseek deepseek-reasoner 2025-06-02T00:30 | prompt 1_000 response 500 reasoning 400 | 1_645_000
deepseek deepseek-reasoner 2025-06-02T00:30 | prompt 1_000 response 5 read 960 | 167_350
# deepseek-reasoner: prompt 0.135, read 0.035, response 0.55
deepseek deepseek-reasoner 2025-06-01T20:00 | prompt 1_000 response 500 reasoning 400 | 410_000

# Others: openrouter.ai/models, docs.perplexity.ai (searches of a large context by request), docs.x.ai,
#   cohere.com/pricing,

# and Hugging Face's router, which charges what the provider behind it does
# openai/gpt-4o: prompt 2.50, response 10
openrouter openai/gpt-4o 2025-09-01 | prompt 1_000 response 500 | 7_500_000
# anthropic/claude-sonnet-4.5: prompt 3, read 0.30, write 3.75, response 15; above 200_000: prompt 6, read 0.60,
#   write 7.50, response 22.50
openrouter anthropic/claude-sonnet-4.5 2025-11-01 | prompt 1_000 response 500 | 10_500_000
openrouter anthropic/claude-sonnet-4.5 2025-11-01 | prompt 200_001 response 500 | 1_211_256_000
# sonar: prompt 1, response 1; a thousand requests 12
perplexity sonar 2025-09-01 | prompt 14 response 100 | 12_114_000
perplexity sonar 2025-09-01 | prompt 0 response 0 | 12_000_000
# sonar-pro: prompt 3, response 15; a thousand requests 14
perplexity sonar-pro 2025-09-01 | prompt 14 response 100 | 15_542_000
# grok-3: prompt 3, read 0.75, response 15
xai grok-3 2025-09-01 | prompt 1_000 response 500 | 10_500_000
xai grok-3 2025-09-01 | prompt 1_000 response 500 read 999 | 8_252_250
# grok-4: prompt 3, read 0.75, response 15
xai grok-4 2025-09-01 | prompt 32 response 9 | 231_000
# command-r-plus: prompt 2.50, response 10
cohere command-r-plus 2025-09-01 | prompt 1_000 response 500 | 7_500_000
# meta-llama/Llama-3.3-70B-Instruct:groq: prompt 0.59, response 0.79
huggingface meta-llama/Llama-3.3-70B-Instruct:groq 2025-09-01 | prompt 1_000 response 500 | 985_000
"""


class Case(NamedTuple):
    """One exchange, and what it cost."""

    vendor: str
    model: str
    at: int
    usage: Usage
    is_batch: bool
    nanos: int


def cases() -> Iterator[Case]:
    """Those of the table."""
    for line in CASES.splitlines():
        if line and not line.startswith("#"):
            who, what, nanos = line.split(" | ")
            vendor, model, at = who.split()
            words = what.split()
            counts = {name: int(count) for name, count in zip(words[::2], words[1::2], strict=True)}
            is_batch = bool(counts.pop("batch", 0))
            usage = Usage(**{FIELDS[name]: count for name, count in counts.items()})
            moment = micros_of(datetime.fromisoformat(at).replace(tzinfo=UTC))
            yield Case(vendor, PROFILE if model == "PROFILE" else model, moment, usage, is_batch, int(nanos))


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.vendor}-{case.model[-40:]}-{case.nanos}")
def test_it_costs_what_the_vendor_billed(case: Case) -> None:
    """The price that held is found by vendor, model and moment; the cost is exact, and no more than was reserved."""
    price = TABLE.find(case.vendor, case.model, case.at)
    assert price is not None
    assert not case.usage.contradictions()
    assert cost_nanos(price, case.usage, is_batch=case.is_batch) == case.nanos
    tools = (case.usage.tool_requests or 0) * price.tool_request_nanos
    assert case.nanos - tools <= worst_nanos(price, case.usage.prompt_tokens or 0, case.usage.response_tokens or 0)


def test_there_are_enough_of_them() -> None:
    """Every vendor that publishes prices has some, and no case stands here twice."""
    found = list(cases())
    assert len(found) >= 150
    assert len({str(case) for case in found}) == len(found)
    vendors = {"openai", "azure", "anthropic", "google_ai", "vertex", "bedrock", "mistral", "groq", "deepseek"}
    assert {case.vendor for case in found} >= vendors | {"openrouter", "huggingface"}
