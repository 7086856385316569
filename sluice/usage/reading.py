"""What decoding JSON that somebody else wrote may raise, named once.

Text that is not UTF-8 raises an error of its own, wherever it stands in what is decoded.
"""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""It is not the JSON that it should be."""
MISFIT: Final = (msgspec.ValidationError, UnicodeDecodeError)
"""Some field of it is not; others may be read by a decoder that asks for fewer."""
