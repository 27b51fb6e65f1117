"""Where runs and generated data lie."""

import os
from pathlib import Path


def repository() -> Path:
    """The checkout that holds this package, or the current folder where the package is installed without one."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def runs_root() -> Path:
    """The folder of records: `runs/` of the checkout."""
    return repository() / "runs"


def cache_root() -> Path:
    """Generated clips and flow: `.cache/` of the checkout, or the folder that `VIDEOATTN_CACHE` names."""
    named = os.environ.get("VIDEOATTN_CACHE")
    return Path(named).expanduser().resolve() if named else repository() / ".cache"
