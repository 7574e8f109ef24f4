"""Fixtures that several of these files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbasket.dataset.rendered import load_benchmark, make
from openbasket.workspace import Workspace


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark ``mini``, made for each file of tests."""
    root = tmp_path_factory.mktemp("rendered")
    make(Workspace(root, create=True), load_benchmark("mini"), quiet=True)
    return root


@pytest.fixture(scope="module")
def encoder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip encoder of ``skillquery-tiny`` that had one short lesson on it."""
    from openbasket.training.config import load_recipe
    from openbasket.training.transcripts import pretrain

    recipe = load_recipe("skillquery-tiny", ["transcripts.epochs=1", "transcripts.clips=16"])
    return pretrain(recipe, root, tmp_path_factory.mktemp("taught"), workers=1, quiet=True).encoder
