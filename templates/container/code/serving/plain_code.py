"""Decides which statements of a script are safe to run at startup: imports, classes, functions and plain constants.

A plain constant consists of literals, names, attributes, containers, operators, lambdas, f-strings, and calls to
HARMLESS functions, which do little work and have no effects outside of the script.
"""

import ast
import re
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from dataclasses import is_dataclass
from enum import EnumMeta
from types import SimpleNamespace
from typing import Any

# By the real module and name of the function or class, whatever the script imports it as.
HARMLESS = {
    f"{module}.{name}"
    for module, names in {
        "builtins": "abs all any bool bytearray bytes chr complex dict dict.fromkeys divmod enumerate float "
        "frozenset getattr hasattr int isinstance issubclass len list max min object ord pow print range repr "
        "reversed round set slice sorted str str.maketrans sum tuple type zip",
        "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
        "collections.abc": "Mapping.get",  # os.environ's
        "contextvars": "ContextVar",
        "datetime": "date datetime datetime.fromisoformat datetime.strptime time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "functools": "partial",
        "logging": "getLogger",
        "numpy": "arange array asarray dtype eye finfo full iinfo linspace logspace ones vectorize zeros bool bool_ "
        "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64",
        "operator": "attrgetter itemgetter methodcaller",
        "os": "getenv",
        "pathlib": "Path Path.absolute Path.cwd Path.expanduser Path.home Path.resolve PosixPath PurePath "
        "PurePath.as_posix PurePath.joinpath PurePath.relative_to PurePath.with_name PurePath.with_suffix "
        "PurePosixPath",
        "posix": "_path_normpath",
        "posixpath": "abspath basename dirname expanduser join normpath realpath split splitext",
        "re": "compile escape",
        "types": "MappingProxyType SimpleNamespace",
        "typing": "NamedTuple NewType ParamSpec TypeVar cast",
        "_thread": "RLock allocate_lock lock",
        "threading": "Lock RLock",
        "warnings": "warn",
    }.items()
    for name in names.split()
}
VALUES = (str, bytes, int, float, complex, bool, tuple, list, dict, set, frozenset, range)  # all methods are harmless
ARRAY_METHODS = ("astype", "copy", "reshape", "tolist")
MUTATORS = re.compile(  # methods that change a container
    "add|append|appendleft|clear|difference_update|discard|extend|insert|intersection_update|pop|popitem|popleft"
    "|remove|reverse|setdefault|sort|symmetric_difference_update|update"
)

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
CONSTANT = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred, ast.JoinedStr, ast.FormattedValue),
    *(ast.Tuple, ast.List, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.comprehension, ast.keyword, ast.expr_context),
    *(ast.unaryop, ast.operator, ast.boolop, ast.cmpop),
)
NEWER = tuple(getattr(ast, name) for name in ("TypeAlias",) if hasattr(ast, name))  # Python 3.12

Names = Mapping[str, Any]


def is_safe(statement: ast.stmt, names: Names) -> bool:
    """Return whether a statement is safe to run. `names` are the variables set by earlier statements."""
    if isinstance(statement, (*DEFINITIONS, *IMPORTS, *NEWER)):
        return True
    if isinstance(statement, ast.Assign):
        return all(is_target(target, names) for target in statement.targets) and is_plain(statement.value, names)
    if isinstance(statement, ast.AugAssign):
        return is_target(statement.target, names) and is_plain(statement.value, names)
    if isinstance(statement, ast.AnnAssign):
        return is_target(statement.target, names) and (statement.value is None or is_plain(statement.value, names))
    if isinstance(statement, ast.If):
        blocks = [statement.body, statement.orelse]
        return is_plain(statement.test, names) and all(
            is_safe_inside(each, names) for block in blocks for each in block
        )
    if isinstance(statement, ast.Try):
        blocks = [statement.body, statement.orelse, statement.finalbody, *(each.body for each in statement.handlers)]
        return all(is_safe_inside(each, names) for block in blocks for each in block)
    return False


def is_safe_inside(statement: ast.stmt, names: Names) -> bool:
    """Like is_safe, for a statement in an `if` or `try`, which can also print, warn, raise or pass."""
    if isinstance(statement, ast.Expr):
        return is_plain(statement.value, names)
    return isinstance(statement, (ast.Pass, ast.Raise)) or is_safe(statement, names)


def is_target(target: ast.expr, names: Names) -> bool:
    """Return whether the target of an assignment is a name, or part of a container or class that the script created."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(is_target(each, names) for each in target.elts)
    if isinstance(target, ast.Starred):
        return is_target(target.value, names)
    if isinstance(target, (ast.Attribute, ast.Subscript)):
        base = base_of(target)
        return base in names and is_mutable(names[base], names) and is_plain(target, names)
    return isinstance(target, ast.Name)


def is_plain(node: ast.AST, names: Names) -> bool:
    """Return whether an expression is a plain constant."""
    if isinstance(node, ast.Lambda):
        return all(is_plain(default, names) for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)])
    if isinstance(node, ast.Call):
        called = [node.func, *(each.value for each in node.keywords if each.arg == "key")]
        plain = all(is_plain(child, names) for child in ast.iter_child_nodes(node))
        return plain and all(is_harmless(function, names) for function in called)
    return isinstance(node, CONSTANT) and all(is_plain(child, names) for child in ast.iter_child_nodes(node))


def is_harmless(function: ast.expr, names: Names) -> bool:
    """Return whether a plain expression is a function or class that is safe to call."""
    try:
        called = eval(compile(ast.Expression(function), "constant", "eval"), {**names})
    except Exception:
        return False
    owner = getattr(called, "__self__", None)
    name = getattr(called, "__name__", "")
    if type(owner) in VALUES or getattr(called, "__objclass__", None) in VALUES:
        return True
    if type(called).__name__ == "ufunc" or (hasattr(owner, "__array__") and name in ARRAY_METHODS):
        return True
    if isinstance(called, type) and has_plain_instances(called):
        return True
    module = getattr(called, "__module__", None) or getattr(owner, "__module__", None) or "builtins"
    module = module.removesuffix("._local")  # pathlib's, in Python 3.13
    return module == "math" or f"{module}.{getattr(called, '__qualname__', name)}" in HARMLESS


def has_plain_instances(kind: type) -> bool:
    """Return whether the class is an enum, a named tuple or a dataclass, which is safe to call."""
    if isinstance(kind, EnumMeta):
        return True
    return (
        hasattr(kind, "_fields")
        if issubclass(kind, tuple)
        else is_dataclass(kind) and not hasattr(kind, "__post_init__")
    )


def changed_names(statement: ast.AST, names: Names) -> Iterator[str]:
    """Return the names that a statement sets, or whose values it mutates, outside of nested functions and classes."""
    yield from set_names(statement)
    for node in walk_scope(statement):
        place: ast.AST | None = None
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            place = node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and MUTATORS.fullmatch(node.func.attr):
            place = node.func
        base = base_of(place)
        if base in names and is_mutable(names[base], names):
            yield base


def set_names(statement: ast.AST) -> Iterator[str]:
    """Return the names that a statement sets."""
    for node in walk_scope(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, (*DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name


def walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and its descendants, except for the bodies of functions and classes, and comprehensions."""
    yield node
    if isinstance(node, (*DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return
    for child in ast.iter_child_nodes(node):
        yield from walk_scope(child)


def base_of(place: ast.AST | None) -> str:
    """Return the name at the start of a target such as `base.attribute[key]`; empty if there is none."""
    while isinstance(place, (ast.Attribute, ast.Subscript)):
        place = place.value
    return place.id if isinstance(place, ast.Name) else ""


def is_mutable(value: Any, names: Names) -> bool:
    """Return whether a value is a container, a class or function of the script, or an instance of such a class."""
    if isinstance(value, (MutableMapping, MutableSequence, MutableSet, SimpleNamespace)):
        return True
    is_array = hasattr(value, "__array__") and not isinstance(value, type)
    return is_array or getattr(value, "__module__", None) == names.get("__name__")
