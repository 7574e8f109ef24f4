"""openbasket: estimate fine-grained basketball skill from long video (BASKET, CVPR 2025)."""

from __future__ import annotations

import os

__version__ = "0.1.0"
__all__ = ["__version__"]

# polars' allocator gives freed memory back to the system after half a second, and an import asks for it again
# at once: with ten seconds it takes a tenth less CPU time. Without effect where polars is imported already.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
