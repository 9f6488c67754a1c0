"""Finds what a pickle names in `__main__`: classes and functions of the script or notebook that saved it.

They are looked for in the Python files beside model_handler.py. Of such a file only imports, classes, functions and
plain constants are run (plain_code.py), never its other statements: a training script would train at each start. A name
that another statement sets, or changes, stays unset: better an error than another value than in training.
"""

import __future__

import ast
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from serving.errors import StartError
from serving.plain_code import DEFINITIONS, IMPORTS, changed_names, may_run, set_names, walk_scope

log = logging.getLogger(__name__)

MAIN, MP_MAIN = "__main__", "__mp_main__"  # multiprocessing has a name of its own for the script that started it
OURS = ("model_handler.py", "serving")


class LeftOut(NamedTuple):
    """A name that a script would have set in a statement that was left out, or that failed."""

    name: str
    path: Path
    line: int
    error: BaseException | None  # of a statement that was run
    wanted: str = ""  # the name that needs this one


left_out: dict[str, dict[str, LeftOut]] = {}  # what each script lacks, by its path
# The scripts, by the name each has in sys.modules. No process imports them for others: it would train, or start CUDA.
modules: dict[str, ModuleType] = {}
running = threading.RLock()


def install(folder: Path) -> None:
    """Has names that `__main__` lacks looked up in the Python files of a folder, from now on."""
    read_definitions.cache_clear()
    left_out.clear()
    for name in modules:
        sys.modules.pop(name, None)
    modules.clear()
    for name in (MAIN, MP_MAIN):
        # A module of its own, so that names of code/serve are not taken for those of the model.
        module = ModuleType(MAIN)
        own = vars(sys.modules.get(name) or sys.modules[MAIN])
        vars(module).update({each: value for each, value in own.items() if each.startswith("__")})
        module.__getattr__ = partial(find, folder)  # type: ignore[method-assign]
        sys.modules[name] = module


def find(folder: Path, name: str) -> Any:
    """The value of a name of `__main__` (PEP 562).

    Raises AttributeError where no file has it, StartError where several do or where a file that may have it cannot be
    read, and NameError where it is left out.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    paths = find_files(folder, name)
    if len(paths) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in paths)
        raise StartError(
            f"The model needs {name}, which {names} both define. Delete one of the two, or rename it there."
        )
    if not paths:
        raise AttributeError(f"module {MAIN!r} has no attribute {name!r}")
    module = load(folder, paths[0])
    if not hasattr(module, name) and name in left_out.get(str(paths[0]), {}):
        raise NameError(f"name {name!r} is not defined", name=name)
    return getattr(module, name)


def find_files(folder: Path, name: str) -> list[Path]:
    """The files that define a name; where none has a class or function of that name, those that set it otherwise."""
    definitions, others, broken = read_definitions(folder)
    paths = definitions.get(name) or others.get(name) or []
    if broken and not paths:
        path, error = next(iter(broken.items()))
        place = f"{path.relative_to(folder)}, line {getattr(error, 'lineno', None) or 1}"
        reason = getattr(error, "msg", error)
        raise StartError(
            f"The model needs {name}, and {place}, is not Python: {reason}. Correct it, or delete the file."
        )
    return paths


Places = dict[str, list[Path]]


@cache
def read_definitions(folder: Path) -> tuple[Places, Places, Mapping[Path, Exception]]:
    """The files of each class and function, those of each other name that is not imported, and those with errors."""
    definitions: Places = {}
    others: Places = {}
    broken: dict[Path, Exception] = {}
    for path in list_files(folder):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            broken[path] = error
            continue
        nodes = [node for statement in tree.body for node in walk_scope(statement)]
        defined = {node.name for node in nodes if isinstance(node, DEFINITIONS)}
        imported = {name for node in nodes if isinstance(node, IMPORTS) for name in set_names(node)}
        for name in defined:
            definitions.setdefault(name, []).append(path)
        for name in {name for statement in tree.body for name in set_names(statement)} - defined - imported:
            others.setdefault(name, []).append(path)
    return definitions, others, broken


def list_files(folder: Path) -> list[Path]:
    """The user's Python files: those beside model_handler.py, and those of packages there."""
    packages = [path.parent for path in folder.glob("*/__init__.py")]
    paths = [*folder.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))]
    return sorted(path for path in paths if path.relative_to(folder).parts[0] not in OURS)


def load(folder: Path, path: Path) -> ModuleType:
    """The module of a file: as it was imported, or else what may run of it, run once."""
    parts = path.relative_to(folder).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    with running:
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == str(path):
            return known
        name = name if known is None else f"{MAIN}.{name}"  # another module has that name
        return modules.get(name) or run(name, path)


def run(name: str, path: Path) -> ModuleType:
    """Makes a module of what may run of a file. It is in sys.modules, where dataclasses and typing look for it."""
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__package__ = name.rpartition(".")[0]
    module.__spec__ = ModuleSpec(name, None, origin=str(path))
    modules[name] = sys.modules[name] = module
    for library in ("cloudpickle", "joblib.externals.cloudpickle"):  # a process of joblib's would import the script
        if library in sys.modules:
            sys.modules[library].register_pickle_by_value(module)
    missing = left_out[str(path)] = {}
    skipped: list[str] = []
    ran = True
    tree = ast.parse(path.read_bytes())
    execute = make_executor(tree, path, vars(module))
    for statement in unwrap(tree.body):
        before, ran, error = ran, may_run(statement, vars(module)), None
        names = list(set_names(statement) if ran else changed_names(statement, vars(module)))
        if ran:
            error = execute(statement)
        else:
            first = str(statement.lineno) if before else skipped.pop().partition("-")[0]
            skipped.append(f"{first}-{statement.end_lineno}")
        for each in names:
            if ran and not error:
                missing.pop(each, None)
            else:
                vars(module).pop(each, None)
                missing[each] = LeftOut(each, path, statement.lineno, error)
    rest = f"Its lines {', '.join(skipped)} are not run." if skipped else "All of it is run."
    log.info("What the model names in %s comes from %s. %s", MAIN, path.name, rest)
    return module


def make_executor(tree: ast.Module, path: Path, names: dict[str, Any]) -> Callable[[ast.stmt], BaseException | None]:
    """A function that runs a statement of a file, and returns its error. What fails may never be needed."""
    futures = [node.names for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    features = [getattr(__future__, each.name) for aliases in futures for each in aliases]
    flags = sum(feature.compiler_flag for feature in features)

    def execute(statement: ast.stmt) -> BaseException | None:
        try:
            exec(compile(ast.Module([statement], []), str(path), "exec", flags, dont_inherit=True), names)
        except (Exception, SystemExit) as error:
            return error.with_traceback(None)
        return None

    return execute


def unwrap(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, with those in `if __name__ == "__main__":` in its place, and each import by itself. No docstring."""
    for statement in statements:
        if isinstance(statement, ast.Import):  # one may be missing
            yield from (ast.copy_location(ast.Import([name]), statement) for name in statement.names)
        elif isinstance(statement, ast.If) and ast.unparse(statement.test) in (
            f"__name__ == {MAIN!r}",
            f"{MAIN!r} == __name__",
        ):
            yield from statement.body
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def find_left_out(error: BaseException) -> LeftOut | None:
    """The name that an error is about, if a script lacks it. None for any other error."""
    if not isinstance(error, NameError):
        return None
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename if trace else ""
    scripts = list(left_out) if file == __file__ else [file]
    return next(filter(None, (find_cause(script, str(error.name)) for script in scripts)), None)


def find_in_module(module: str, name: str) -> LeftOut | None:
    """A name that the script with this name in sys.modules lacks; None if it does not."""
    return find_cause(str(modules[module].__file__), name) if module in modules else None


def find_cause(script: str, name: str) -> LeftOut | None:
    """What a script lacks: of names that need one another the one that is missing first."""
    missing = left_out.get(script, {})
    found = missing.get(name)
    while found and isinstance(found.error, NameError) and found.error.name in missing:
        found = missing[found.error.name]
    return found and found._replace(wanted=name)
