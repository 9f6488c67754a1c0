"""serving/user_code.py: names of `__main__` in pickles that were saved by real scripts."""

import importlib
import json
import pickle
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import pytest
from project import SKLEARN_HANDLER, ManyServer, Server, assemble, forget_code

from serving import user_code
from serving.errors import StartError
from serving.models import Model, import_handler, load_model

# It has no main guard: running all of it trains, and creates a file next to it.
TRAIN = """
import pickle
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

FACTOR = 2.0

def scale(rows):
    return np.asarray(rows) * FACTOR

class Shifted(LinearRegression):
    def predict(self, rows):
        return super().predict(rows) + 10

Path(__file__).with_name("trained").touch()
model = make_pipeline(FunctionTransformer(scale), Shifted()).fit([[0], [1]], [0, 2])
with open(sys.argv[1], "wb") as file:
    pickle.dump(model, file)
print(model.predict([[3]])[0])
"""


class Trained(NamedTuple):
    """A script, the model it saved, and the model's prediction for 3."""

    script: Path
    model: bytes
    prediction: float


def train(script: str, folder: Path, typed: str = "") -> Trained:
    """Run a script that saves a model, outside of the project."""
    path, model = folder / "train.py", folder / "model.pkl"
    path.write_text(script)
    done = subprocess.run([sys.executable, path, model], check=True, capture_output=True, text=True, input=typed)
    return Trained(path, model.read_bytes(), float(done.stdout))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """TRAIN, run once."""
    return train(TRAIN, tmp_path_factory.mktemp("training"))


def put(trained: Trained, project: Path, script: bool = True) -> float:
    """Copy a model into a project, and its script next to the handler. Return the expected prediction for 3."""
    (project / "model/model.pkl").write_bytes(trained.model)
    if script:
        shutil.copy(trained.script, project / "code")
    return trained.prediction


def load(code: Path) -> Model:
    return load_model(import_handler(), code.parent / "model")


def refusal(code: Path) -> str:
    with pytest.raises(StartError) as caught:
        load(code)
    return str(caught.value)


def look_up(code: Path, source: str, name: str) -> Any:
    """Look up a name of `__main__` that a script defines."""
    (code / "train.py").write_text(source)
    user_code.install(code)
    return getattr(sys.modules["__main__"], name)


@pytest.mark.parametrize("variant", ["fastapi", "flask"])
def test_a_model_is_served_with_its_script_without_training_again(
    variant: str, project: Path, trained: Trained
) -> None:
    for path in (project / "model").iterdir():
        path.unlink()
    prediction = put(trained, project)
    shutil.copy(SKLEARN_HANDLER, project / "code")
    with Server(project, variant, SM_WORKERS="2") as server:
        server.wait_until_ready()
        assert server.invoke([[3]]).json()["predictions"] == pytest.approx([prediction])
        assert "The model refers to names in __main__: they are loaded from train.py." in server.log()
    assert not (project / "code/trained").exists()


@pytest.mark.parametrize("variant", ["fastapi"])
def test_many_models_are_served_with_their_script(
    variant: str, samples: dict[str, Path], tmp_path: Path, trained: Trained
) -> None:
    project = assemble(tmp_path / "project", variant, samples["json"], multi_model=True)
    prediction = put(trained, project)
    folders = [tmp_path / name / "model" for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "model.pkl").write_bytes(trained.model)
    shutil.copy(SKLEARN_HANDLER, project / "code")
    with ManyServer(project, variant) as server:
        server.wait_until_ready()
        for folder in folders:  # modules of the first model are preloaded for the others
            assert server.load_from(folder, folder.parent.name).status == 200, server.log()
            assert server.ask(folder.parent.name, [[3]]).json()["predictions"] == pytest.approx([prediction])
    assert not (project / "code/trained").exists()


def test_a_model_is_checked_against_its_predictions_in_training(
    code: Path, trained: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    prediction = put(trained, code.parent)
    (code.parent / "model/expected.json").write_text(json.dumps({"inputs": [[3]], "predictions": [prediction]}))
    load(code)
    assert "1 of 1 predictions agree" in caplog.text
    assert "are loaded from train.py. Lines 20-24 are skipped." in caplog.text


CONSTANTS = [
    ("A = 1", 1),
    ("B = 2\nA, (B, *C) = B, (3, 4)", 2),
    ("A: int = -2 ** 3", -8),
    ("A = ['x']\nA += ['y']", ["x", "y"]),
    ("A = {'x': 1}\nA['y'] = 2", {"x": 1, "y": 2}),
    ("A = f'{1 + 1}' if True else None", "2"),
    ("A = [f'x{i}' for i in range(3) if i]", ["x1", "x2"]),
    ("f = lambda x, y=2: x * y\nA = f", "function"),
    ("import re as r\nA = r.compile('a+', r.I)", re.compile("a+", re.I)),
    ("from collections import namedtuple as nt\nP = nt('P', 'x y')\nA = P(1, y=2)", (1, 2)),
    ("from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\nA = P(1).x", 1),
    ("import logging\nA = logging.getLogger('x').name", "x"),
    ("A = frozenset('ab') | set('b')", frozenset("ab")),
    ("A = sorted('B a'.split(), key=str.lower)", ["a", "B"]),
    ("A = dict.fromkeys('ab', 0)", {"a": 0, "b": 0}),
    ("A = 'ab'.translate(str.maketrans('a', 'b'))", "bb"),
    ("from pathlib import Path\nA = (Path(__file__).resolve().parent / 'x').name", "x"),
    ("import os\nA = os.path.basename(os.path.join('a', 'b'))", "b"),
    ("import os\nA = float(os.environ.get('NO_SUCH_NAME', os.getenv('NO_SUCH_NAME', '0.5')))", 0.5),
    ("import numpy as np\nA = (np.array([1, 4]) * np.sqrt(4) + np.arange(2)).tolist()", [2.0, 9.0]),
    ("import math\nA = math.floor(math.log(100, 10))", 2),
    ("from datetime import datetime, timedelta\nA = (datetime(2020, 1, 1) + timedelta(days=1)).day", 2),
    ("from enum import Enum\nE = Enum('E', 'RED')\nA = E(1).name", "RED"),
    ("from dataclasses import dataclass\n@dataclass\nclass C:\n    x: int\nA = C(3)\nA.x = 4", "C"),
]


@pytest.mark.parametrize(("source", "value"), CONSTANTS)
def test_plain_constants_are_set(source: str, value: object, code: Path) -> None:
    found = look_up(code, source, "A")
    assert value in (found, type(found).__name__)


@pytest.mark.parametrize(
    "statement",
    [
        "A = open(MARK, 'w')",
        "A = (1, open(MARK, 'w'))[0]",
        "A = [open(MARK, 'w') for _ in range(1)]",
        "A = (lambda: open(MARK, 'w'))()",
        "A = Path(MARK).touch()",
        "A = list(map(open, [MARK], ['w']))",
        "A = max([MARK], key=lambda path: Path(path).touch())",
        "from functools import partial\nA = partial(make)()",
        "A = __import__('pathlib').Path(MARK).touch()",
        "A = eval('1')",
        "A = make()",
        "sorted = make\nA = sorted()",
        "A = Made()",
        "for A in range(3): make()",
        "with open(MARK, 'w') as A: pass",
        "while (A := make()): pass",
        "if make(): A = 1",
        "try: A = make()\nexcept ValueError: A = 1",
        "A = 1\nA = make()",
        "A = [1]\nA.append(make())",
        "A = {}\nA['x'] = make()",
        "A = {}\nfor A['x'] in range(3): pass",
        "class A: pass\nA.level = make()",
        "match make():\n    case A: pass",
        "del A",
    ],
)
def test_a_name_set_by_an_unsafe_statement_is_undefined_and_explained(statement: str, code: Path) -> None:
    """Even if it was set to a constant before: with another value than in training the model would be wrong."""
    mark = code.parent / "mark"
    source = f"""
from pathlib import Path
MARK = {str(mark)!r}
def make(): Path(MARK).touch()
class Made:
    def __init__(self): make()
{statement}
"""
    with pytest.raises(NameError) as caught:
        look_up(code, source, "A")
    left = user_code.find_skipped(caught.value)
    assert left and (left.name, left.path.name) == ("A", "train.py") and left.line >= 7
    assert not mark.exists()


def test_imports_with_a_fallback_run(code: Path) -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import nothing_of_that_name
try:
    import nothing_of_that_name as fast
except ImportError:
    print("There is no fast.")
    fast = None
import sys
if sys.version_info >= (3, 0):
    VERSION = 3
else:
    VERSION = 2
def answer(): return fast, VERSION
"""
    assert look_up(code, source, "answer")() == (None, 3)


def test_the_body_of_the_main_guard_is_included(code: Path) -> None:
    source = """
if __name__ == "__main__":
    LIMIT = 3
    class Limited:
        limit = LIMIT
    raise SystemExit("trained")
"""
    assert look_up(code, source, "Limited").limit == 3


def test_dataclasses_and_annotations_find_their_module(code: Path) -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass, field
@dataclass
class Tree:
    leaves: list[Tree] = field(default_factory=list)
"""
    tree = look_up(code, source, "Tree")
    assert typing.get_type_hints(tree) == {"leaves": list[tree]}
    assert tree.__module__ == "train" and pickle.loads(pickle.dumps(tree([tree()]))) == tree([tree()])


def test_names_of_the_script_take_precedence_over_those_of_serve(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("main", "logs"):
        monkeypatch.setattr(sys.modules["__main__"], name, json, raising=False)
    script = "import nothing_there, json as other, sys as system\ndef main(): return 'mine'\nlogs = [system.maxsize]"
    assert look_up(code, script, "main")() == "mine"
    assert sys.modules["__main__"].logs == [sys.maxsize]


def test_a_script_with_the_name_of_another_module_is_renamed(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "train", json)
    made = look_up(code, "class Made: pass", "Made")
    assert sys.modules["train"] is json
    assert vars(sys.modules[made.__module__])["Made"] is made


def test_a_file_is_run_once_and_not_at_all_if_already_imported(code: Path) -> None:
    main: Any = look_up(code, "class One: pass\nclass Two: pass", "One") and sys.modules["__main__"]
    assert sys.modules[main.One.__module__] is sys.modules[main.Two.__module__]
    assert main.One is main.One is sys.modules["__mp_main__"].One
    forget_code()
    (code / "train.py").write_text("class One: pass\nopened = open(__file__)")
    user_code.install(code)
    imported = importlib.import_module("train")
    assert main.One is imported.One


def test_joblib_workers_do_not_import_the_script(code: Path) -> None:
    """Importing it would train."""
    made = look_up(code, "class Made:\n    level = 3\n", "Made")
    sent = cloudpickle.dumps(made)
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer).level)"
    done = subprocess.run([sys.executable, "-c", program], input=sent, check=True, capture_output=True, cwd=code.parent)
    assert done.stdout == b"3\n"


def test_packages_next_to_the_handler_are_searched(code: Path) -> None:
    (code / "helpers").mkdir()
    (code / "helpers/__init__.py").touch()
    (code / "helpers/constants.py").write_text("LEVEL = 3\n")
    (code / "helpers/fit.py").write_text("from .constants import LEVEL\ndef level(): return LEVEL\n")
    user_code.install(code)
    main: Any = sys.modules["__main__"]
    assert main.level() == 3


def test_the_handler_and_the_server_are_not_searched(code: Path) -> None:
    (code / "serving").mkdir()
    for path in (code / "serving/__init__.py", code / "serving/other.py", code / "model_handler.py"):
        path.write_text("class Hidden: pass\n")
    with pytest.raises(AttributeError, match="Hidden"):
        look_up(code, "", "Hidden")
    assert not hasattr(sys.modules["__main__"], "__no_such_name__")


def test_a_name_defined_in_two_files_is_an_error_that_names_both(code: Path, trained: Trained) -> None:
    put(trained, code.parent)
    shutil.copy(trained.script, code / "features.py")
    assert "is defined in features.py and train.py. Remove or rename it in all but one." in refusal(code)


def test_a_file_that_only_assigns_the_name_is_not_a_second_definition(code: Path, trained: Trained) -> None:
    prediction = put(trained, code.parent)
    (code / "features.py").write_text("from train import scale\nShifted = scale = None\n")
    assert load(code).answer([[3]])["predictions"] == pytest.approx([prediction])


def test_a_file_with_a_syntax_error_is_named_with_its_line(code: Path, trained: Trained) -> None:
    put(trained, code.parent)
    (code / "train.py").write_text("FACTOR = 2\nclass Shifted(:\n")
    assert re.search(r"The model needs \w+, but train\.py, line 2, is not valid Python: .*Fix it", refusal(code))


def test_a_name_that_no_file_defines_gets_advice(code: Path, trained: Trained) -> None:
    put(trained, code.parent, script=False)
    assert re.search(
        r"Put the file that defines \w+ next to code/model_handler\.py\.",
        refusal(code),
    )


def test_a_function_that_needs_a_skipped_name_is_a_start_error(code: Path, tmp_path: Path) -> None:
    source = TRAIN.replace("FACTOR = 2.0", "FACTOR = float(sys.stdin.read())")
    put(train(source, tmp_path, "2"), code.parent)
    message = refusal(code)
    assert "cannot predict: NameError: name 'FACTOR' is not defined. Line 11 of train.py, which sets FACTOR" in message
    assert "Move FACTOR into a module next to it and import it from there, or make it a plain constant." in message


def test_a_constant_that_needs_a_skipped_name_names_it(code: Path) -> None:
    source = "rows = open(__file__).read()\nCOUNT = len(rows)\ndef count(): return COUNT\n"
    with pytest.raises(NameError) as caught:
        look_up(code, source, "count")()
    left = user_code.find_skipped(caught.value)
    assert left and (left.wanted, left.name, left.line) == ("COUNT", "rows", 1)


def test_an_import_needed_only_for_training_can_fail(code: Path, trained: Trained) -> None:
    prediction = put(trained, code.parent)
    (code / "train.py").write_text(f"import mlflow\nfrom matplotlib import pyplot as plt\n{TRAIN}")
    assert load(code).answer([[3]])["predictions"] == pytest.approx([prediction])


def test_a_failing_import_that_is_needed_gets_advice(code: Path, trained: Trained) -> None:
    put(trained, code.parent)
    source = TRAIN.replace("class Shifted(LinearRegression)", "class Shifted(ngboost.NGBRegressor)")
    (code / "train.py").write_text(f"import ngboost\n{source}")
    message = refusal(code)
    assert "NameError: name 'Shifted' is not defined. Shifted needs ngboost. Line 1 of train.py, which sets" in message
    assert "Add ngboost to requirements.in, " in message


def test_importing_a_skipped_name_is_explained(code: Path, trained: Trained) -> None:
    put(trained, code.parent)
    handler = code / "model_handler.py"
    late = "    from train import file\n"
    handler.write_text(re.sub(r"(    require\(model.*\n)", rf"\1{late}", handler.read_text()))
    assert "Line 22 of train.py, which sets file, is skipped" in refusal(code)
