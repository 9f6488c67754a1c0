"""Resolves `__main__` names in a pickle: classes and functions of the script or notebook that saved it.

They are looked up in the Python files next to model_handler.py. Only imports, classes, functions and plain constants of
such a file are run (plain_code.py); all other statements are skipped, because a training script would train at every
start. A name that a skipped statement sets or changes stays unset: an error is better than a wrong value.
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
from serving.plain_code import DEFINITIONS, IMPORTS, changed_names, is_safe, set_names, walk_scope

log = logging.getLogger(__name__)

MAIN, MP_MAIN = "__main__", "__mp_main__"  # the latter is multiprocessing's name for the main script
OURS = ("model_handler.py", "serving")


class Skipped(NamedTuple):
    """A name that is missing because the statement that sets it was skipped or failed."""

    name: str
    path: Path
    line: int
    error: BaseException | None  # if the statement failed
    wanted: str = ""  # the name that needs this one


skipped_names: dict[str, dict[str, Skipped]] = {}  # by script path, then by name
# The scripts, by their name in sys.modules. They must never be imported as a whole: they would train, or start CUDA.
modules: dict[str, ModuleType] = {}
running = threading.RLock()


def install(folder: Path) -> None:
    """Make names that `__main__` lacks resolve to the Python files of a folder."""
    read_definitions.cache_clear()
    skipped_names.clear()
    for name in modules:
        sys.modules.pop(name, None)
    modules.clear()
    for name in (MAIN, MP_MAIN):
        # A new module, so that names in code/serve do not shadow those of the model.
        module = ModuleType(MAIN)
        own = vars(sys.modules.get(name) or sys.modules[MAIN])
        vars(module).update({each: value for each, value in own.items() if each.startswith("__")})
        module.__getattr__ = partial(find, folder)  # type: ignore[method-assign]
        sys.modules[name] = module


def find(folder: Path, name: str) -> Any:
    """Look up a name of `__main__` (PEP 562).

    Raises AttributeError if no file defines it; StartError if several files do, or if a file that could define it does
    not parse; NameError if the statement that sets it was skipped or failed.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    paths = find_files(folder, name)
    if len(paths) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in paths)
        raise StartError(f"The model needs {name}, which is defined in {names}. Remove or rename it in all but one.")
    if not paths:
        raise AttributeError(f"module {MAIN!r} has no attribute {name!r}")
    module = load(folder, paths[0])
    if not hasattr(module, name) and name in skipped_names.get(str(paths[0]), {}):
        raise NameError(f"name {name!r} is not defined", name=name)
    return getattr(module, name)


def find_files(folder: Path, name: str) -> list[Path]:
    """Return the files with a class or function of this name; if there are none, those that set the name otherwise."""
    definitions, others, broken = read_definitions(folder)
    paths = definitions.get(name) or others.get(name) or []
    if broken and not paths:
        path, error = next(iter(broken.items()))
        place = f"{path.relative_to(folder)}, line {getattr(error, 'lineno', None) or 1}"
        reason = getattr(error, "msg", error)
        raise StartError(
            f"The model needs {name}, but {place}, is not valid Python: {reason}. Fix it, or delete the file."
        )
    return paths


Places = dict[str, list[Path]]


@cache
def read_definitions(folder: Path) -> tuple[Places, Places, Mapping[Path, Exception]]:
    """Return three maps: from classes and functions to files, from other names to files, from files to syntax errors.

    The other names are those that a file sets, but does not import.
    """
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
    """Return the user's Python files: those next to model_handler.py, and those in packages there."""
    packages = [path.parent for path in folder.glob("*/__init__.py")]
    paths = [*folder.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))]
    return sorted(path for path in paths if path.relative_to(folder).parts[0] not in OURS)


def load(folder: Path, path: Path) -> ModuleType:
    """Return the module of a file: the imported one, if there is one; otherwise its safe statements, run once."""
    parts = path.relative_to(folder).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    with running:
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == str(path):
            return known
        name = name if known is None else f"{MAIN}.{name}"  # the name is taken by another module
        return modules.get(name) or run(name, path)


def run(name: str, path: Path) -> ModuleType:
    """Run the safe statements of a file as a module, which is added to sys.modules for dataclasses and typing."""
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__package__ = name.rpartition(".")[0]
    module.__spec__ = ModuleSpec(name, None, origin=str(path))
    modules[name] = sys.modules[name] = module
    for library in ("cloudpickle", "joblib.externals.cloudpickle"):  # otherwise joblib's workers import the script
        if library in sys.modules:
            sys.modules[library].register_pickle_by_value(module)
    missing = skipped_names[str(path)] = {}
    skipped_lines: list[str] = []
    ran = True
    tree = ast.parse(path.read_bytes())
    execute = make_executor(tree, path, vars(module))
    for statement in unwrap(tree.body):
        before, ran, error = ran, is_safe(statement, vars(module)), None
        names = list(set_names(statement) if ran else changed_names(statement, vars(module)))
        if ran:
            error = execute(statement)
        else:
            first = str(statement.lineno) if before else skipped_lines.pop().partition("-")[0]
            skipped_lines.append(f"{first}-{statement.end_lineno}")
        for each in names:
            if ran and not error:
                missing.pop(each, None)
            else:
                vars(module).pop(each, None)
                missing[each] = Skipped(each, path, statement.lineno, error)
    rest = f"Lines {', '.join(skipped_lines)} are skipped." if skipped_lines else "No lines are skipped."
    log.info("The model refers to names in %s: they are loaded from %s. %s", MAIN, path.name, rest)
    return module


def make_executor(tree: ast.Module, path: Path, names: dict[str, Any]) -> Callable[[ast.stmt], BaseException | None]:
    """Return a function that runs a statement and returns its error, if any: the names it sets may not be needed."""
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
    """Yield statements: inline the body of `if __name__ == "__main__":`, split imports and drop docstrings."""
    for statement in statements:
        if isinstance(statement, ast.Import):  # so that one missing module does not affect the others
            yield from (ast.copy_location(ast.Import([name]), statement) for name in statement.names)
        elif isinstance(statement, ast.If) and ast.unparse(statement.test) in (
            f"__name__ == {MAIN!r}",
            f"{MAIN!r} == __name__",
        ):
            yield from statement.body
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def find_skipped(error: BaseException) -> Skipped | None:
    """Return the skipped name that caused a NameError; None for any other error."""
    if not isinstance(error, NameError):
        return None
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename if trace else ""
    scripts = list(skipped_names) if file == __file__ else [file]
    return next(filter(None, (find_cause(script, str(error.name)) for script in scripts)), None)


def find_in_module(module: str, name: str) -> Skipped | None:
    """Return the skipped name that `name` needs, in the script with this module name; None if it is not skipped."""
    return find_cause(str(modules[module].__file__), name) if module in modules else None


def find_cause(script: str, name: str) -> Skipped | None:
    """Return the root cause of a skipped name: follow names whose statements failed because another was missing."""
    missing = skipped_names.get(script, {})
    found = missing.get(name)
    while found and isinstance(found.error, NameError) and found.error.name in missing:
        found = missing[found.error.name]
    return found and found._replace(wanted=name)
