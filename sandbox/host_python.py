"""What is an image of the host's own Python made of?

A tar archive that Docker imports: the interpreter, the standard library without the parts that no program under test
needs, the shared libraries that `ldd` names, and the few files that a C library expects. Everything keeps the path
that it has on the host (an interpreter finds its library by its own path), belongs to root and can be read by all.
Modules that the host has not compiled yet are compiled on the way: in a read-only container nothing would be kept.

Not covered: hosts that are not Linux, and interpreters inside a zip file.
"""

from __future__ import annotations

import io
import json
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import SandboxUnavailable

__all__ = ["Interpreter", "base_interpreter", "inspect_interpreter", "write_archive"]

# Large or of no use in a container without a screen, a network and a compiler.
LEFT_OUT = frozenset({"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages",
                      "dist-packages", "idle_test"})  # fmt: skip
LEFT_OUT_FILES = re.compile(
    r"config-.*|.*\.(a|o|exe|opt-[12]\.pyc)|_tkinter\..*|_test.*\.so|_ctypes_test.*|xxlimited.*|_xxtest.*|turtle\..*"
)
HIDDEN = ("/tmp/", "/proc/", "/dev/", "/sys/", "/run/")  # places that a container mounts over
# Loaded while running, so ldd does not name them: names of users, and the end of a thread.
LOADED_LATER = ("libnss_files.so.2", "libgcc_s.so.1", "libstdc++.so.6")
FOLDERS = {"tmp": 0o1777, "proc": 0o755, "dev": 0o755, "sys": 0o755, "run": 0o755}
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}

ASK = """
import json, os, site, sys, sysconfig
folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
folders |= {path for path in sys.path if os.path.basename(path) == "lib-dynload"}
print(json.dumps([sys.executable, sorted(map(os.path.realpath, folders)), site.getsitepackages()[0]]))
"""


@dataclass(frozen=True)
class Interpreter:
    """Where a Python lies: its program, the folders of its standard library, where its packages go."""

    program: Path
    libraries: tuple[Path, ...]
    packages: Path


def base_interpreter() -> Path:
    """Return the interpreter behind this one: behind a virtual environment, and behind symbolic links."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def inspect_interpreter(program: Path) -> Interpreter:
    """Ask an interpreter where its parts lie; one that does not start is a SandboxUnavailable."""
    try:
        # Not this process' own paths: a virtual environment and Debian give other answers there.
        said = subprocess.run([program, "-I", "-c", ASK], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SandboxUnavailable(f"{program} does not start, so no image can be made of it: {error}") from error
    _, libraries, packages = json.loads(said)
    for path in (str(program), *libraries):
        if path.startswith(HIDDEN):
            raise SandboxUnavailable(
                f"{path}: a container mounts its own files over that folder, so no image can be made of this Python; "
                "use another Python, or give an image with `assay sandbox build --from IMAGE`"
            )
    tops = [Path(path) for path in libraries if not any(Path(other) in Path(path).parents for other in libraries)]
    return Interpreter(program, tuple(tops), Path(packages))


def write_archive(file: IO[bytes], python: Interpreter, packages: Path | None = None) -> None:
    """Write the tar archive; `packages` is a folder whose content becomes the interpreter's site-packages."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive, tempfile.TemporaryDirectory() as d:
        writer = _Writer(archive, Path(d), python.packages)
        for name, mode in FOLDERS.items():
            writer.folder(name, mode)
        for name, text in FILES.items():
            writer.data(name, text.encode())
        binaries = [python.program]
        writer.copy(python.program, str(python.program))
        for library in python.libraries:
            binaries += writer.tree(library, str(library), LEFT_OUT)
        if packages is not None:
            binaries += writer.tree(packages, str(python.packages))
        for alias in ("/usr/bin/python3", f"/usr/bin/{python.program.name}"):
            writer.link(alias, str(python.program))  # so that "python3" starts it, as in every other image
        inside = (str(packages),) if packages is not None else ()
        for path in sorted(_shared_libraries(binaries)):
            if not path.startswith(inside):
                writer.copy(Path(path), path)
        for path in ("/etc/ld.so.cache", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path"):
            if os.path.isfile(path):  # where the loader looks beyond its two own folders
                writer.copy(Path(path), path)
        for locale in ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8", "/usr/share/zoneinfo"):
            if os.path.isdir(locale):
                writer.tree(Path(locale), locale, frozenset({"right", "posix"}))


def _shared_libraries(binaries: Iterable[Path]) -> set[str]:
    """Return the paths of the shared libraries that these programs and modules load, as the loader asks for them."""
    # ldd of glibc and of musl print "name => path (address)" or "path (address)"; paths of binaries end in a colon.
    try:
        said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise SandboxUnavailable(f"`ldd` is needed to make an image of the host's Python: {error}") from error
    found = {os.path.normpath(path) for path in re.findall(r"(?:^\s+|=> )(/\S+) \(0x", said, re.MULTILINE)}
    homes = {os.path.dirname(path) for path in found if re.search(r"/libc[.-]", path)}
    found |= {f"{home}/{name}" for home in homes for name in LOADED_LATER}
    return {path for path in found if os.path.isfile(path)}


class _Writer:
    """A tar archive under construction: each name once, parents first, owned by root, readable by all."""

    def __init__(self, archive: tarfile.TarFile, scratch: Path, untouched: Path) -> None:
        self.archive = archive
        self.scratch = scratch
        self.untouched = f"{untouched}/"  # libraries of packages: those of wheels do not survive strip
        self.strip = shutil.which("strip")
        self.seen: set[str] = set()

    def _new(self, path: str) -> str | None:
        """Return the member's name after adding its parents, or None if the archive has it already."""
        name = path.strip("/")
        if not name or name in self.seen:
            return None
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        return name

    def folder(self, path: str, mode: int = 0o755) -> None:
        name = self._new(path)
        if name is not None:
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, mode
            self.archive.addfile(info)

    def data(self, path: str, content: bytes) -> None:
        name = self._new(path)
        if name is not None:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            self.archive.addfile(info, io.BytesIO(content))

    def link(self, path: str, target: str) -> None:
        name = self._new(path)
        if name is not None:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            self.archive.addfile(info)

    def copy(self, source: Path, path: str) -> None:
        """Add a file's content: what a symbolic link points to may lie outside the archive."""
        if ".so" in source.suffixes and not path.startswith(self.untouched):
            source = self._stripped(source)
        try:
            with source.open("rb") as content:
                status = os.fstat(content.fileno())
                name = self._new(path) if stat.S_ISREG(status.st_mode) else None
                if name is not None:
                    info = tarfile.TarInfo(name)
                    info.size, info.mtime = status.st_size, int(status.st_mtime)
                    info.mode = 0o755 if status.st_mode & 0o111 else 0o644
                    self.archive.addfile(info, content)
        except (FileNotFoundError, PermissionError):
            pass  # a link to nowhere, a file that the user may not read: Python does without them here, too

    def _stripped(self, library: Path) -> Path:
        """Return a shared library without what is for debuggers, which is most of a Python that was compiled at home."""
        made = self.scratch / "library.so"
        if self.strip is not None and library.is_file() and b".debug_info" in library.read_bytes():
            done = subprocess.run([self.strip, "--strip-debug", "-o", made, library], capture_output=True, check=False)
            if done.returncode == 0:
                return made
        return library

    def tree(self, source: Path, path: str, left_out: frozenset[str] = frozenset()) -> list[Path]:
        """Add a folder and what is in it; returns the shared objects that were added."""
        objects = []
        for file, name in _walk(source, path, left_out):
            self.copy(file, name)
            if file.suffix == ".py":
                self._compiled(file, name)
            elif ".so" in file.suffixes:
                objects.append(file)
        return objects

    def _compiled(self, source: Path, path: str) -> None:
        """Add the compiled module where the host has none."""
        folder, name = os.path.split(path)
        compiled = f"{name[:-3]}.{sys.implementation.cache_tag}.pyc"
        if (source.parent / "__pycache__" / compiled).is_file():
            return  # it is added when the walk comes to it
        made = self.scratch / "module.pyc"
        try:
            py_compile.compile(
                str(source), str(made), path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP
            )
        except (py_compile.PyCompileError, OSError, ValueError):
            return  # templates and samples of bad syntax: nobody imports them
        self.copy(made, f"{folder}/__pycache__/{compiled}")


def _walk(source: Path, path: str, left_out: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """Yield each file below a folder with the path that it gets, in order."""
    for folder, folders, files in os.walk(source, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in left_out and not LEFT_OUT_FILES.fullmatch(name))
        inside = os.path.normpath(os.path.join(path, os.path.relpath(folder, source)))
        for name in sorted(files):
            if not LEFT_OUT_FILES.fullmatch(name):
                yield Path(folder, name), f"{inside}/{name}"
