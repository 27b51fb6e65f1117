"""What holds for the project as a whole: imports, sizes, versions, workflows. Each scan is tried on a bad example."""

import ast
import graphlib
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
import yaml

from videoattn.locations import repository

ROOT = repository()
# Imports point from a higher level to the same or a lower one; the lowest may be imported everywhere.
LEVELS = (
    {"errors", "io", "locations", "parallel", "progress"},
    {"backbones", "data", "evaluation", "layers", "weights"},
    {"engine"},
    {"reporting"},
    {"papers"},
    {"cli", "reproduce", "published"},
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
MACHINE_PATH = re.compile(r"(?<![\w.~}$/-])/(?:work|tmp|root|home)/")


def sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def module(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path) -> Iterator[str]:
    """The modules that a file imports, for types alone too; of `from a import b` both a and a.b: b may be a module."""
    package = module(path, root).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            source = base if node.level else node.module
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def against_the_order(root: Path) -> list[str]:
    """Imports within the package that point upwards, and modules without a level."""
    found = []
    for path in sources(root / "videoattn"):
        here = [*module(path, root).split("."), "package"][1]
        if here != "package" and here not in LEVEL:
            found.append(f"{here} has no level")
        for name in imports(path, root):
            there = [*name.split("."), ""][1] if name.startswith("videoattn.") else ""
            if there in LEVEL and here in LEVEL and LEVEL[there] > LEVEL[here]:
                found.append(f"{module(path, root)} imports {name}")
    return found


def in_circles(root: Path) -> list[str]:
    """The modules of a circle of imports."""
    names = {module(path, root): path for path in sources(root / "videoattn")}
    graph = {name: {other for other in imports(path, root) if other in names} for name, path in names.items()}
    try:
        graphlib.TopologicalSorter({name: others - {name} for name, others in graph.items()}).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def undeclared(root: Path, folder: str, declared: set[str]) -> list[str]:
    """Packages that a folder's files import and that neither Python nor the project itself brings."""
    names = {name.split(".")[0] for path in sources(root / folder) for name in imports(path, root)}
    own = {"videoattn"} | {path.stem for path in sources(root / folder)}
    brought = packages_distributions()
    foreign = sorted(names - sys.stdlib_module_names - own)
    return [name for name in foreign if not declared & {normal(dist) for dist in brought.get(name, [name])}]


def out_of_form(root: Path) -> list[str]:
    """Files that are a drawer for anything, and functions of the library that take anything."""
    found = []
    for path in [*sources(root / "videoattn"), *sources(root / "tests")]:
        text = path.read_text()
        if path.stem in ("utils", "util", "helpers", "misc"):
            found.append(f"{path.relative_to(root)} says nothing of what it holds")
        for node in ast.walk(ast.parse(text)):
            takes = node.args.kwarg if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) else None
            if takes and takes.arg != "_" and path.is_relative_to(root / "videoattn"):  # _: another's interface asks
                found.append(f"{path.relative_to(root)}:{node.lineno} takes **{takes.arg}")
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def locked(text: str) -> dict[str, str]:
    """Version by package of a requirements file with exact versions, markers left out."""
    return {normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def bad(tmp_path):
    """A small project that breaks every rule."""
    files = {
        "videoattn/__init__.py": "",
        "videoattn/data/__init__.py": "",
        "videoattn/data/utils.py": "def f(**options): ...\nif TYPE_CHECKING:\n    from ..engine import loop\n",
        "videoattn/engine/loop.py": "import yaml\nimport os, no_such_package\nfrom videoattn.data import utils\n",
        "videoattn/errors.py": "def f():\n    from videoattn.papers import PAPERS\n",
        "videoattn/drawer.py": "x = 1\n",
        "videoattn/layers/gate.py": "g = lambda **more: more\nh = lambda x, **_: x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_scans_find_what_is_wrong(bad):
    assert set(against_the_order(bad)) == {
        "videoattn.data.utils imports videoattn.engine",
        "videoattn.data.utils imports videoattn.engine.loop",
        "videoattn.errors imports videoattn.papers",
        "videoattn.errors imports videoattn.papers.PAPERS",
        "drawer has no level",
    }
    assert set(in_circles(bad)) == {"videoattn.data.utils", "videoattn.engine.loop"}
    assert undeclared(bad, "videoattn", {"torch"}) == ["no_such_package", "yaml"]
    assert undeclared(bad, "videoattn", {"pyyaml"}) == ["no_such_package"]
    assert out_of_form(bad) == [
        "videoattn/data/utils.py says nothing of what it holds",
        "videoattn/data/utils.py:1 takes **options",
        "videoattn/layers/gate.py:1 takes **more",
    ]
    for text in ('"/tmp/x"', "(/home/me/clips)", " /root/.cache", "DATA=/work/main"):
        assert MACHINE_PATH.search(text)
    for text in ("https://a.b/home/x", "../tmp/", "runs/work/", "/workshop", "~/tmp/x", "/opt/tmp/"):
        assert not MACHINE_PATH.search(text)


def test_imports_point_one_way():
    assert against_the_order(ROOT) == []
    assert in_circles(ROOT) == []


def test_files_keep_their_form():
    assert out_of_form(ROOT) == []


def test_everything_imported_is_declared(project):
    library = {normal(name) for name in project["dependencies"]}
    assert undeclared(ROOT, "videoattn", library) == []
    assert (
        undeclared(ROOT, "tests", library | {normal(name) for name in project["optional-dependencies"]["test"]}) == []
    )


def test_the_lock_holds_every_dependency(project):
    lock = locked((ROOT / "requirements.lock").read_text())
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["offline"]]
    assert [name for name in wanted if normal(name) not in lock] == []
    exact = {normal(name): name.partition("==")[2] for name in wanted if "==" in name}
    assert exact.keys() == {"torch", "torchvision"}
    assert {name: lock[name] for name in exact} == exact
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [
        line for line in lines if not re.match(r"#|[\w.-]+==[\w.]+( ; python_full_version [\w.*'<>= ]+)?$", line)
    ] == []


def test_the_lock_is_what_is_installed():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    lock = {line.partition(" ")[0] for line in lines}  # a package may have a line for each of two Pythons
    names = {normal(line) for line in lock if "==" in line}
    installed = {
        f"{normal(dist.name)}=={dist.version}"
        for dist in distributions(path=[sysconfig.get_path("purelib")])
        if normal(dist.name) in names
    }
    assert sorted(installed - lock) == []
    assert len(installed) > 100


def test_conda_makes_the_same_environment(project):
    python, _, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    minor = re.fullmatch(r"python=(3\.\d+)", python)[1]
    assert tuple(map(int, minor.split("."))) >= tuple(map(int, project["requires-python"].lstrip(">=").split(".")))
    *named, lock, itself = pip["pip"]
    assert (lock, itself) == ("-r requirements.lock", "-e .")
    main = {"torch", "torchvision", "timm", "decord", "jupyterlab", "ipywidgets", "papermill", "nbval"}
    versions = locked((ROOT / "requirements.lock").read_text())
    assert locked("\n".join(named)) == {name: versions[name] for name in main}


def test_workflows_keep_the_published_schema_and_call_make(tmp_path):
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert subprocess.run([*command, *files], capture_output=True).returncode == 0
    (tmp_path / "bad.yml").write_text(files[0].read_text().replace("runs-on", "runs-at"))
    assert subprocess.run([*command, tmp_path / "bad.yml"], capture_output=True).returncode == 1
    workflows = [yaml.safe_load(path.read_text()) for path in files]
    steps = [step for flow in workflows for job in flow["jobs"].values() for step in job["steps"]]
    assert {step["run"].split(" PAPER")[0] for step in steps if "run" in step} == {"make test", "make reproduce"}
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert [flow["permissions"] for flow in workflows] == [{"contents": "read"}] * len(files)


def test_no_path_of_a_machine():
    command = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout: which files belong to the project is not known")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content and name != Path(__file__).relative_to(ROOT).as_posix():
            found += [f"{name}: {match[0]}" for match in MACHINE_PATH.finditer(content.decode("utf-8", "replace"))]
    assert found == []
