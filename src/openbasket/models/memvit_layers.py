"""The layers of MeMViT: attention to pooled keys and values, and to those of former clips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from openbasket.models.base import DropPath, Mlp

__all__ = ["KERNEL", "Block", "Grid", "Memory", "PatchEmbed", "pooled"]

#: Numbers of tokens over time, height and width, or a kernel or stride over them.
Grid = tuple[int, int, int]
#: Compressed keys and values of one clip, each ``(B, 1 + tokens, C)``.
Memory = tuple[torch.Tensor, torch.Tensor]

#: Kernel of the first layer over time, height and width.
KERNEL: Grid = (3, 7, 7)


class PatchEmbed(nn.Module):
    """Tokens of a clip: a convolution over time, height and width."""

    def __init__(self, width: int, stride: Grid) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, KERNEL, stride, (1, 3, 3))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map ``(B, 3, T, H, W)`` to ``(B, N, C)``."""
        patches: torch.Tensor = self.proj(clips)
        return patches.flatten(2).transpose(1, 2)


class Block(nn.Module):
    """Attention and a hidden layer, each around a skip.

    Args:
        inputs: length of a token.
        width: length of a token afterwards.
        heads: of the attention.
        mlp_ratio: length of the hidden layer, in widths.
        grid: of the tokens.
        q_stride: of the pooling of queries.
        kv_stride: of the pooling of keys and values.
        memory: clips attended to at most, and kernel and stride of the compression; none without memory.
        drop_path: share of clips for which it is skipped in training.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        heads: int,
        mlp_ratio: float,
        grid: Grid,
        q_stride: Grid,
        kv_stride: Grid,
        memory: tuple[int, Grid, Grid] | None,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.width = width
        self.grid = grid
        self.q_stride = q_stride
        self.drop_path = DropPath(drop_path)
        self.norm1 = nn.LayerNorm(inputs, eps=1e-6)
        self.attn = _Attention(inputs, width, heads, grid, q_stride, kv_stride, memory)
        self.proj = nn.Linear(inputs, width) if inputs != width else None
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, round(width * mlp_ratio))

    def forward(
        self, tokens: torch.Tensor, former: list[Memory], kept: bool
    ) -> tuple[torch.Tensor, Memory | None]:
        """Map tokens ``(B, 1 + N, C)`` to new ones, and to what later clips remember of them."""
        normed = self.norm1(tokens)
        attended, memory = self.attn(normed, former, kept)
        skipped = tokens if self.proj is None else self.proj(normed)
        if max(self.q_stride) > 1:
            kernel = [stride + 1 if stride > 1 else 1 for stride in self.q_stride]
            padding = [size // 2 for size in kernel]
            places = skipped[:, 1:].transpose(1, 2).unflatten(2, self.grid)
            places = F.max_pool3d(places, kernel, self.q_stride, padding)
            skipped = torch.cat([skipped[:, :1], places.flatten(2).transpose(1, 2)], dim=1)
        tokens = skipped + self.drop_path(attended)
        return tokens + self.drop_path(self.mlp(self.norm2(tokens))), memory


class _Attention(nn.Module):
    """Attention to pooled keys and values, and to those that are remembered.

    Queries, keys and values are pooled first and projected then. The attention's score has a term
    for the relative position along each axis; the class token has no position.

    As a mask, that term would need an array of all queries by all keys, and no fused attention gives a
    mask its gradient.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        heads: int,
        grid: Grid,
        q_stride: Grid,
        kv_stride: Grid,
        memory: tuple[int, Grid, Grid] | None,
    ) -> None:
        super().__init__()
        kernel = (3, 3, 3)
        self.num_heads = heads
        self.grid = grid
        self.q_grid = pooled(grid, kernel, q_stride)
        self.kv_grid = pooled(grid, kernel, kv_stride)
        self.memory = memory is not None
        by_head = inputs // heads
        self.pool_q = _depthwise(by_head, kernel, q_stride)
        self.pool_k = _depthwise(by_head, kernel, kv_stride)
        self.pool_v = _depthwise(by_head, kernel, kv_stride)
        self.norm_q = nn.LayerNorm(by_head, eps=1e-6)
        self.norm_k = nn.LayerNorm(by_head, eps=1e-6)
        self.norm_v = nn.LayerNorm(by_head, eps=1e-6)
        self.q = nn.Linear(inputs, width)
        self.k = nn.Linear(inputs, width)
        self.v = nn.Linear(inputs, width)
        self.proj = nn.Linear(width, width)
        for axis, q, k in zip("thw", self.q_grid, self.kv_grid, strict=True):
            self._table(f"rel_pos_{axis}", 2 * max(q, k) - 1, width // heads)
        if memory is not None:
            max_len, kernel, stride = memory
            self.memory_grid = pooled(self.kv_grid, kernel, stride)
            self.compress_k = _depthwise(inputs, kernel, stride)
            self.compress_v = _depthwise(inputs, kernel, stride)
            self.norm_compress_k = nn.LayerNorm(inputs, eps=1e-6)
            self.norm_compress_v = nn.LayerNorm(inputs, eps=1e-6)
            for axis, q, k in zip("thw", self.q_grid, self.memory_grid, strict=True):
                clips = max_len if axis == "t" else 2
                self._table(f"rel_pos_mem_{axis}", clips * max(q, k) - 1, width // heads)

    def _table(self, name: str, rows: int, width: int) -> None:
        self.register_parameter(name, nn.Parameter(torch.empty(rows, width)))
        nn.init.trunc_normal_(self.get_parameter(name), std=0.02)

    def forward(
        self, tokens: torch.Tensor, former: list[Memory], kept: bool
    ) -> tuple[torch.Tensor, Memory | None]:
        q = self._pool(tokens, self.pool_q, self.norm_q)
        k = self._pool(tokens, self.pool_k, self.norm_k)
        v = self._pool(tokens, self.pool_v, self.norm_v)
        memory = None
        if self.memory and kept:
            memory = (
                self.norm_compress_k(_pool(k.detach(), self.kv_grid, self.compress_k)),
                self.norm_compress_v(_pool(v.detach(), self.kv_grid, self.compress_v)),
            )
        k = torch.cat([*(keys for keys, _ in former), k], dim=1)
        v = torch.cat([*(values for _, values in former), v], dim=1)
        q, k, v = self._split(self.q(q)), self._split(self.k(k)), self._split(self.v(v))

        # A key's one-hot places times the query's terms for them add up to the score's positions:
        # no array of all queries by all keys is needed.
        terms, places = self._positions(q, "rel_pos_", self.kv_grid, 1)
        if former:
            others, theirs = self._positions(q, "rel_pos_mem_", self.memory_grid, len(former))
            places = torch.cat(
                [F.pad(theirs, (0, terms.shape[-1])), F.pad(places, (others.shape[-1], 0))]
            )
            terms = torch.cat([others, terms], dim=-1)
        places = places.to(k.dtype).expand(*k.shape[:2], -1, -1)
        rest = -(k.shape[-1] + places.shape[-1]) % 8  # fast attention wants multiples of eight
        queries = F.pad(torch.cat([q * q.shape[-1] ** -0.5, terms], dim=-1), (0, rest))
        keys = F.pad(torch.cat([k, places], dim=-1), (0, rest))
        width = v.shape[-1]
        if v.device.type == "cpu":  # where it is fused only for values as long as keys
            v = F.pad(v, (0, keys.shape[-1] - width))
        attended = F.scaled_dot_product_attention(queries, keys, v, scale=1.0)[..., :width]
        attended = torch.cat([attended[:, :, :1], attended[:, :, 1:] + q[:, :, 1:]], dim=2)
        return self.proj(attended.transpose(1, 2).flatten(2)), memory

    def _split(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, length, _ = tokens.shape
        return tokens.reshape(batch, length, self.num_heads, -1).transpose(1, 2)

    def _pool(self, tokens: torch.Tensor, pool: nn.Module, norm: nn.Module) -> torch.Tensor:
        by_head = _pool(self._split(tokens).flatten(0, 1), self.grid, pool)
        normed: torch.Tensor = norm(by_head)
        batch, length = len(tokens), normed.shape[1]
        return normed.view(batch, -1, length, normed.shape[2]).transpose(1, 2).flatten(2)

    def _positions(
        self, q: torch.Tensor, table: str, grid: Grid, clips: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Terms of the score by query and place along each axis, and the keys' one-hot places.

        Args:
            q: queries ``(B, heads, 1 + N, C)``.
            table: what the names of the tables start with.
            grid: of the keys of one clip.
            clips: clips, each with a class token before its keys, along one axis of time.

        Returns:
            ``(B, heads, 1 + N, P)`` and ``(clips * (1 + keys), P)``, where P is the sum of the
            lengths of the axes.
        """
        by_place = q[:, :, 1:].reshape(*q.shape[:2], *self.q_grid, -1)
        lengths = (clips * grid[0], *grid[1:])
        terms, places = [], []
        for i, axis in enumerate("thw"):
            distance = _distance(self.q_grid[i], grid[i], lengths[i] // grid[i], q.device)
            rows = self.get_parameter(table + axis)[distance].to(q.dtype)
            terms.append(torch.einsum(f"bntuvc,{'tuv'[i]}kc->bntuvk", by_place, rows))
            one_hot = torch.eye(lengths[i], device=q.device)
            shape = [1, 1, 1, lengths[i]]
            shape[i] = lengths[i]
            places.append(one_hot.view(shape).expand(*lengths, -1))
        score = F.pad(torch.cat(terms, dim=-1).flatten(2, 4), (0, 0, 1, 0))
        where = torch.cat(places, dim=-1).view(clips, -1, sum(lengths))
        return score, F.pad(where, (0, 0, 1, 0)).flatten(0, 1)


def _depthwise(width: int, kernel: Grid, stride: Grid) -> nn.Conv3d:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Conv3d(width, width, kernel, stride, padding, groups=width, bias=False)


def pooled(grid: Grid, kernel: Grid, stride: Grid) -> Grid:
    """Size after a convolution padded by half its kernel."""
    t, h, w = (
        (n + 2 * (k // 2) - k) // s + 1 for n, k, s in zip(grid, kernel, stride, strict=True)
    )
    return t, h, w


def _pool(tokens: torch.Tensor, grid: Grid, pool: nn.Module) -> torch.Tensor:
    """Pool ``(B, 1 + N, C)`` over the grid; the class token in front stays."""
    batch, _, width = tokens.shape
    places = pool(tokens[:, 1:].transpose(1, 2).reshape(batch, width, *grid))
    return torch.cat([tokens[:, :1], places.flatten(2).transpose(1, 2)], dim=1)


def _distance(q: int, k: int, clips: int, device: torch.device) -> torch.Tensor:
    """Rows of a table of relative positions, for ``q`` queries and ``clips`` times ``k`` keys."""
    queries = torch.arange(q, device=device)[:, None] * max(k / q, 1)
    keys = torch.arange(clips * k, device=device) * max(q / k, 1)
    return (queries - keys + (clips * k - 1) * max(q / k, 1)).long()
