"""What to do about a model that does not load: one table, from what loading raises to what to type."""

import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata, util

from serving import user_code

# Libraries that models are made with, whose name to import is not that on PyPI; and others.
PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",  # not in Python itself since 3.12
    "pkg_resources": "setuptools==80.9.0",  # not in newer ones
    "feature_engine": "feature-engine",
    "imblearn": "imbalanced-learn",
    "sagemaker_containers": "sagemaker-containers",
    "sagemaker_inference": "sagemaker-inference",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "sksurv": "scikit-survival",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
PUBLIC = re.compile(
    "boto3|catboost|category_encoders|cloudpickle|dill|h5py|interpret|joblib|keras|lightgbm|matplotlib|mlflow|mlxtend"
    "|ngboost|nltk|numba|numpy|onnxruntime|optuna|pandas|plotly|pmdarima|polars|prophet|pyarrow|pydantic|requests|river"
    "|sagemaker|scipy|seaborn|sentence_transformers|shap|skops|skorch|sktime|spacy|statsmodels|tensorflow|tokenizers"
    "|torch|torchvision|tqdm|transformers|tslearn|wandb|xgboost"
)

# A file that is not what its name says: part of what it is (file_types.py) -> advice.
OTHERS = (
    ("Git LFS", "Fetch the file itself: git lfs pull."),
    (
        "checkpoint",
        "Load it where its class is, and export the model: torch.jit.script(model.eval()).save('model.pt'), or "
        "torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes=({0: torch.export.Dim.AUTO},))"
        ", 'model.pt2'), with an example of two records.",
    ),
)
GENERATE = "Save the model that this project serves there, or generate a project for this one."
DAMAGED = re.compile(
    r"EOF|BadZipFile|DecodeError|InvalidProtobuf|deserializing header|central directory|truncated|UnpicklingError"
    r"|Unable to (?:synchronously )?open file|src/common/json\.cc|string_view|Invalid model format"
    r"|unpack requires a buffer|IndexError: index out of range|required number of bytes|can not load pod"
    r"|model file descriptor|Flatbuffers model verification"
)
UNKNOWN_TO_KERAS = r"Could not locate (?:class|function) '(?:\w+>)?(\w+)'|Unknown [a-z ]+: '(?:\w+>)?(\w+)'"
CORRECT = "Correct it."
FALLBACK = "Save it again with the versions in requirements.txt, or look at load() in code/model_handler.py."


def advise(error: BaseException, other: str | None = None) -> str:
    """What to do about an error of load(), as a sentence. `other`: what a file is that is not what its name says."""
    if advice := look_up(error):
        return advice
    if other:
        what = next((advice for kind, advice in OTHERS if kind in other), GENERATE)
        return f"The file looks like {other}. {what}"
    if any(DAMAGED.search(to_text(cause)) for cause in trace(error)):
        return (
            "The file is cut off or damaged. Copy it again, in binary mode (Git LFS: git lfs pull), and compare what "
            "sha256sum prints for it here and where it was saved."
        )
    return FALLBACK


def look_up(error: BaseException) -> str | None:
    """What the table has for an error, or for what it was raised from."""
    if missing := explain_missing(error):
        return missing
    for text in map(to_text, trace(error)):
        for pattern, advice in ADVICE:
            if found := re.search(pattern, text):
                words = [group for group in found.groups() if group]
                return advice.format(*words) if isinstance(advice, str) else advice(*words)
    return None


def explain_missing(error: BaseException) -> str:
    """What to do about a name that a script lacks because not all of it is run; empty for any other error."""
    left = next(filter(None, map(user_code.find_left_out, trace(error))), None)
    return advise_left_out(left) if left else ""


def advise_left_out(left: user_code.LeftOut) -> str:
    """What to do about a name that a script lacks."""
    needs = f"{left.wanted} needs {left.name}. " if left.wanted != left.name else ""
    place = f"{needs}Line {left.line} of {left.path.name}, which sets {left.name},"
    if left.error:
        return f"{place} fails: {describe(left.error)}. {look_up(left.error) or CORRECT}"
    return (
        f"{place} is not run: of this file only imports, classes, functions and plain constants are, so that it does "
        f"not train again. Move {left.name} into a module beside it and import it from there, or make it a plain "
        "constant."
    )


def describe(error: BaseException) -> str:
    """Class and message of an error and of its first cause, on one line. Of a long message both ends are kept."""
    first, *causes = trace(error)
    text = shorten(to_text(first))
    if causes and str(causes[-1]) not in str(first):
        text += f" (caused by {shorten(to_text(causes[-1]))})"
    return text


def shorten(text: str) -> str:
    """A text on one line of some 800 characters at most, without a full stop."""
    text = " ".join(text.split()).removesuffix(".")
    return text if len(text) <= 800 else f"{text[:400]} … {text[-400:]}"


def to_text(error: BaseException) -> str:
    """Class and message of an error."""
    return f"{type(error).__name__}: {error}"


def trace(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from, the first cause last."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def find_package(module: str) -> str | None:
    """The name on PyPI of the installed library that a module belongs to; None if it belongs to none."""
    return next(iter(metadata.packages_distributions().get(module.partition(".")[0], [])), None)


def advise_module(name: str) -> str:
    """What to do about a module that is missing."""
    top = name.partition(".")[0]
    if package := find_package(top):
        return f"There is no {name} in the installed {package}. {advise_version(package)}"
    if top in PACKAGES or PUBLIC.fullmatch(top):
        package = PACKAGES.get(top, top)
        version = "" if "==" in package else ", in the version the model was trained with"
        return f"Add {package} to requirements.in{version}, then run ./lock.sh."
    if util.find_spec(top):
        return advise_own(top, name)
    return (
        f"Put {top}.py, or the folder {top}/ if it is a package, beside code/model_handler.py, or generate the project "
        "with --code=PATH: a pickle names modules as they were where the model was trained."
    )


def advise_attribute(name: str, module: str) -> str:
    """What to do about a class or function that a module does not have."""
    if package := find_package(module):
        return f"There is no {module}.{name} in the installed {package}. {advise_version(package)}"
    return advise_own(module, name)


def advise_own(module: str, name: str) -> str:
    """What to do about a module of the user's, or of Python itself, that lacks what the model needs."""
    if left := user_code.find_in_module(module, name):
        return advise_left_out(left)
    if module.partition(".")[0] in sys.stdlib_module_names:
        return f"{module} of this Python has no {name}. Generate the project with the --python-version of the training."
    return f"{module} beside code/model_handler.py has no {name}. Put the one there that the model was trained with."


def advise_version(package: str) -> str:
    """What to do about a model that another version of a library saved."""
    return (
        f"A version other than {metadata.version(package)} saved the model. In requirements.in, set {package} to the "
        "version it was trained with, then run ./lock.sh."
    )


def advise_numpy() -> str:
    """What to do about NumPy's random numbers, whose pickles only the version that saved them knows."""
    return advise_version("numpy")


# What an error says -> advice, which gets what the pattern finds: a text to fill in, or a function.
ADVICE: tuple[tuple[str, str | Callable[..., str]], ...] = (
    (
        r"^ModuleNotFoundError: No module named '__builtin__'",
        "dill saved the file, which only dill reads: in load() in code/model_handler.py, call dill.load(file).",
    ),
    (r"^ModuleNotFoundError: No module named '([\w.]+)'", advise_module),
    (
        r"Can't get (?:local )?attribute '(\w+)[^']*' on <module '(?:[\w.]+\.)?__(?:mp_)?main__'",
        "{0} was defined in the notebook or script that saved the model. Put the file that defines {0} beside "
        "code/model_handler.py, or generate the project with --code=FILE. Of a notebook, save the cell as a .py file.",
    ),
    (r"Can't get attribute '([\w.]+)' on <module '([\w.]+)'", advise_attribute),
    (r"cannot import name '(\w+)' from '([\w.]+)'", advise_attribute),
    (
        r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
        "The system lacks {0}. In the Dockerfile, above WORKDIR, add RUN apt-get update && apt-get install --yes "
        "PACKAGE, with Debian's package that has it: for libgomp.so.1 that is libgomp1.",
    ),
    (r"known BitGenerator|__(?:randomstate|generator|bit_generator)_ctor", advise_numpy),
    (
        UNKNOWN_TO_KERAS,
        "{0} is not part of Keras. Put the file that defines it beside code/model_handler.py, or generate the project "
        "with --code=FILE.",
    ),
    (
        r"Unrecognized keyword arguments? passed to",
        "Another version of Keras saved the model. Generate the project with --framework-version=VERSION, that of the "
        "TensorFlow it was trained with, or save it again with this one.",
    ),
    (
        r"`Lambda` layer",
        "Keras does not run code from a model file. Use a layer class of your own instead of Lambda and save the model "
        "again, or set safe_mode=False in load() in code/model_handler.py if you trust the file.",
    ),
    (
        r"Should have a `?model_type`? key",
        "config.json has no model_type. Copy all files that model.save_pretrained() and tokenizer.save_pretrained() "
        "wrote, or set the model_type there.",
    ),
    (
        r"model type `\w+` but Transformers does not recognize",
        "In requirements.in, set transformers to the transformers_version of config.json or newer, then run ./lock.sh.",
    ),
)
