"""Is the house in order: what an import costs, what a wheel holds, and whose names it takes?

The folders verifiers/ and datasets/ are never installed under those names: PyPI has packages called so.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import assay

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("verifiers", "datasets", "sandbox")
HEAVY = {
    "torch",
    "sympy",
    "docker",
    "rich",
    "click",
    "mpmath",
    "numpy",
    "transformers",
    "latex2sympy2_extended",
    "antlr4",
}

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="these tests are about a checkout")


def git_files(*options: str) -> list[Path]:
    """Return the files of the checkout, relative to it."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    listed = subprocess.run([git, "ls-files", "-z", *options], cwd=ROOT, capture_output=True, check=True).stdout
    names = [Path(name) for name in listed.decode().split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


def loaded(statement: str) -> set[str]:
    """Return the modules that a statement loads in a fresh interpreter, started from a folder that is not ours."""
    script = f"import sys; before = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


# ---- imports


@pytest.mark.parametrize(
    ("statement", "most"),
    [
        ("import assay", 30),
        ("from assay import MathVerifier", 220),
        ("from assay import Reward, ThinkFormat, Problem, Score", 220),
        ("from assay import AssertTests, StdioTests, Limits, Judgement, Case", 120),
        ("from assay import CodeVerifier; CodeVerifier('docker')", 220),
        (r"from assay import MathVerifier; assert MathVerifier().score(r'\boxed{5}', '5').reward", 220),
        (r"from assay import MathVerifier; assert MathVerifier().score(r'\boxed{1/2}', '0.5').reward", 220),
    ],
)
def test_an_import_loads_nothing_heavy(statement: str, most: int) -> None:
    """A stopwatch would measure the machine; what makes an import slow is what it loads."""
    modules = loaded(statement)
    assert not HEAVY & {name.partition(".")[0] for name in modules}
    assert "assay" in modules
    assert len(modules) <= most, sorted(modules)


def test_every_exported_name_is_there() -> None:
    assert len(assay.__all__) == len(set(assay.__all__)) >= 8
    for name in assay.__all__:
        assert getattr(assay, name).__name__ == name
    assert set(assay.__all__) <= set(dir(assay))
    with pytest.raises(AttributeError, match="no attribute 'NoSuchThing'"):
        assay.NoSuchThing  # noqa: B018
    fresh = (
        f"from assay import {', '.join(assay.__all__)}; import assay; assert not set(assay.__all__) - set(dir(assay))"
    )
    assert "assay.records" in loaded(fresh)


def imports_of(file: Path) -> set[str]:
    """Return the folders and modules of ours that a file imports, as absolute names below assay."""
    package = ["assay", *file.parent.parts] if file.parts[0] in ROOMS else ["assay"]
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {".".join([*base, name]) for name in names if name}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "assay":
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] == "assay"}
    return found


def test_imports_run_one_way() -> None:
    """records.py is the leaf, with what reads tests beside it; the rooms know it and themselves; the command line is on top."""
    for file in git_files("*.py"):
        allowed = {
            "verifiers": ("assay.records", "assay.parsing", "assay.given_tests", "assay.verifiers", "assay.sandbox"),
            "datasets": ("assay.records", "assay.parsing", "assay.given_tests", "assay.assert_tests", "assay.datasets"),
            "sandbox": ("assay.records", "assay.sandbox"),
        }.get(file.parts[0])
        if file.parts[:2] == ("sandbox", "inside"):  # goes into containers, where there is nothing else of ours
            allowed = ("assay.sandbox.inside",)
        if file in (Path("assay/records.py"), Path("assay/parsing.py")):
            allowed = ()
        if file in (
            Path("assay/given_tests.py"),
            Path("assay/assert_tests.py"),
        ):  # as good as records: above them alone
            allowed = ("assay.records", "assay.parsing", "assay.assert_tests")
        if allowed is not None:
            strangers = {name for name in imports_of(file) if not name.startswith(allowed or ("-",))}
            # The self-check of references scores them, so it knows the verifiers.
            assert not strangers or file == Path("datasets/self_check.py"), f"{file} imports {strangers}"


# ---- names


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    for file in git_files("*.py"):
        if file.name not in ("__init__.py", "conftest.py"):
            assert file.stem not in sys.stdlib_module_names, file


def test_the_rooms_are_no_packages_by_themselves() -> None:
    """An __init__.py would let the bare folder win over PyPI's `datasets` and `verifiers` wherever both are on the path."""
    for file in git_files("*__init__.py"):
        assert file.parts[0] == "assay", file


# ---- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that no build folder appears in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for file in git_files("--cached", "--others", "--exclude-standard"):
        (folder / "source" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / "source" / file)
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--quiet",
            "-w",
            str(folder / "built"),
            str(folder / "source"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution found for setuptools" in built.stderr:
        pytest.skip("no network: setuptools for the build could not be fetched")
    assert built.returncode == 0, built.stderr
    (made,) = (folder / "built").glob("*.whl")
    return made


def test_a_wheel_takes_no_name_but_assay(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/top_level.txt"))
        assert archive.read(metadata).decode().split() == ["assay"]
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"assay"}
    assert f"-{assay.__version__}-py3-none-any" in wheel.name


def test_a_wheel_holds_every_module_of_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    ours = [file for file in git_files("*.py", "*.typed") if file.parts[0] in ("assay", *ROOMS)]
    wanted = {f"assay/{file.as_posix()}" if file.parts[0] in ROOMS else file.as_posix() for file in ours}
    assert len(wanted) > 30
    assert wanted <= held, wanted - held


def test_a_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import assay\n"
        "from assay import MathVerifier\n"
        "import assay.verifiers.slow_worker, assay.datasets.loaders, assay.cli\n"
        "for module in (assay, assay.verifiers.slow_worker, assay.datasets.loaders):\n"
        f"    assert module.__file__.startswith({str(tmp_path)!r}), module\n"
        "with MathVerifier(deadline=10.0) as verifier:\n"
        r"    print(verifier.score(r'\boxed{\frac12}', '0.5').reward, "
        r"verifier.score(r'\boxed{\int_0^1 x\,dx}', '0.5').reward)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == ["1.0", "1.0"], done.stderr


# ---- texts

# Written in pieces, so that this file does not find itself.
SOMEBODYS_MACHINE = re.compile("/wo" + "rk/|/ho" + r"me/\w+/|/Us" + r"ers/\w+/|/ro" + "ot/")


def test_no_text_names_a_path_of_somebodys_machine() -> None:
    found = []
    for file in git_files():
        if file.parts[:3] == ("tests", "sandbox", "attacks"):
            continue  # programs that look for such paths
        try:
            text = (ROOT / file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        found += [f"{file}: {match.group()}" for match in SOMEBODYS_MACHINE.finditer(text)]
    assert not found, found


def test_the_changelog_begins_with_this_version() -> None:
    page = ROOT / "CHANGELOG.md"
    if not page.exists():
        pytest.skip("there is no CHANGELOG.md")
    heading = re.search(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert heading is not None
    assert assay.__version__ in heading[1]
