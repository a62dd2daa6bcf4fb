"""How do the programs that run inside a sandbox get there?

Not by an image and not by files: the supervisor starts as a few lines that read the sources of `inside/` from standard
input. So any image with a Python will do, and host and sandbox never differ in version.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["ENVIRONMENT", "FLAGS", "LOADER", "first_message"]

# Not -I, which would ignore PYTHONHASHSEED: both sides of the wire need one order of sets.
FLAGS = ("-s", "-P", "-B")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LD_BIND_NOW": "1",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}

# What programs import most, loaded before the first fork; the others load when they are imported, as anywhere.
PRELOAD = (
    "abc bisect collections collections.abc contextlib copy enum functools heapq io itertools json math operator os random re "
    "string struct sys time types typing numpy"
).split()

# Not importlib.abc, which brings tempfile, shutil and three libraries that compress: what a process has mapped, each fork
# copies and each end takes apart, and that is a good part of what a run costs.
LOADER = """\
import sys, os, json, importlib.machinery
def read(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            os._exit(0)
        data += part
    return data
message = json.loads(read(int.from_bytes(read(8), "big")))
class Sources:
    def find_spec(self, name, path=None, target=None):
        if name == "inside" or name in message["sources"]:
            return importlib.machinery.ModuleSpec(name, self, is_package=name == "inside")
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        name = module.__name__
        exec(compile(message["sources"].pop(name, ""), name, "exec", optimize=2), module.__dict__)
sys.meta_path.insert(0, Sources())
from inside.warden import main
if message["config"].get("language") == "restricted":
    import inside.restricted_language
sys.meta_path.pop(0)
main(message.pop("config"))
"""


@cache
def _sources() -> dict[str, str]:
    folder = files(__package__).joinpath("inside")
    return {
        f"inside.{file.name[:-3]}": file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".py")
    }


def first_message(config: dict[str, Any]) -> bytes:
    """Return what LOADER reads: the sources, and how this sandbox is to be."""
    body = json.dumps({"sources": _sources(), "config": {"preload": PRELOAD, **config}}).encode("ascii")
    return len(body).to_bytes(8, "big") + body
