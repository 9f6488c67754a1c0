"""Advice for a model that cannot be loaded: a table from the error to what to do."""

import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata, util

from serving import user_code

# Import name -> PyPI name, for libraries used in training whose names differ.
PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",  # removed from Python in 3.12
    "pkg_resources": "setuptools==80.9.0",  # removed in newer versions
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
PUBLIC = re.compile(  # libraries with the same name on PyPI
    "boto3|catboost|category_encoders|cloudpickle|dill|h5py|interpret|joblib|keras|lightgbm|matplotlib|mlflow|mlxtend"
    "|ngboost|nltk|numba|numpy|onnxruntime|optuna|pandas|plotly|pmdarima|polars|prophet|pyarrow|pydantic|requests|river"
    "|sagemaker|scipy|seaborn|sentence_transformers|shap|skops|skorch|sktime|spacy|statsmodels|tensorflow|tokenizers"
    "|torch|torchvision|tqdm|transformers|tslearn|wandb|xgboost"
)

# PyPI names of libraries that can be a project's framework, in several versions. With another version of these, others
# must change, too: `update` knows which.
FRAMEWORKS = ("scikit-learn", "xgboost", "xgboost-cpu", "lightgbm")

# For a file with the wrong extension: text in the description of its actual type (file_types.py) -> advice.
MISMATCHES = (
    ("Git LFS", "Fetch the file itself: git lfs pull."),
    (
        "checkpoint",
        "Load it where its class is defined and export the model: torch.jit.script(model.eval()).save('model.pt'), or "
        "torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes=({0: torch.export.Dim.AUTO},))"
        ", 'model.pt2'), where example has two records.",
    ),
)
GENERATE = (
    "Replace it with a model of the kind this project was generated for, or generate a project for this kind of model."
)
DAMAGED = re.compile(
    r"EOF|BadZipFile|DecodeError|InvalidProtobuf|deserializing header|central directory|truncated|UnpicklingError"
    r"|Unable to (?:synchronously )?open file|src/common/json\.cc|string_view|Invalid model format"
    r"|unpack requires a buffer|IndexError: index out of range|required number of bytes|can not load pod"
    r"|model file descriptor|Flatbuffers model verification"
)
UNKNOWN_TO_KERAS = r"Could not locate (?:class|function) '(?:\w+>)?(\w+)'|Unknown [a-z ]+: '(?:\w+>)?(\w+)'"
FIX_IT = "Fix the error; the traceback is in the log, above this message."
FALLBACK = "Save it again with the versions in requirements.txt, or check load() in code/model_handler.py."


def advise(error: BaseException, mismatch: str | None = None) -> str:
    """Return advice for an error from load(). `mismatch` is the actual kind of a file with the wrong extension."""
    if advice := look_up(error):
        return advice
    if mismatch:
        advice = next((advice for kind, advice in MISMATCHES if kind in mismatch), GENERATE)
        return f"The file looks like {mismatch}. {advice}"
    if any(DAMAGED.search(to_text(cause)) for cause in trace(error)):
        return (
            "The file is truncated or damaged. Copy it again, in binary mode (Git LFS: git lfs pull), and compare its "
            "sha256sum here and where it was saved."
        )
    return FALLBACK


def look_up(error: BaseException) -> str | None:
    """Look up advice for an error or one of its causes; None if there is none."""
    if missing := explain_missing(error):
        return missing
    for text in map(to_text, trace(error)):
        for pattern, advice in ADVICE:
            if found := re.search(pattern, text):
                words = [group for group in found.groups() if group]
                return advice.format(*words) if isinstance(advice, str) else advice(*words)
    return None


def explain_missing(error: BaseException) -> str:
    """Return advice for a name that is missing because its statement in a script is skipped; empty for other errors."""
    skipped = next(filter(None, map(user_code.find_skipped, trace(error))), None)
    return advise_skipped(skipped) if skipped else ""


def advise_skipped(skipped: user_code.Skipped) -> str:
    """Return advice for a name that is missing because its statement is skipped or failed."""
    needs = f"{skipped.wanted} needs {skipped.name}. " if skipped.wanted != skipped.name else ""
    statement = f"{needs}Line {skipped.line} of {skipped.path.name}, which sets {skipped.name},"
    if skipped.error:
        return f"{statement} fails: {describe(skipped.error)}. {look_up(skipped.error) or 'Fix this line.'}"
    return (
        f"{statement} is skipped: only imports, classes, functions and plain constants of this file are run, so that "
        f"it does not train again. Move {skipped.name} into a module next to it and import it from there, or make it a "
        "plain constant."
    )


def describe(error: BaseException) -> str:
    """Return the class and message of an error and of its root cause, on one line. Cut long messages in the middle."""
    first, *causes = trace(error)
    text = shorten(to_text(first))
    if causes and str(causes[-1]) not in str(first):
        text += f" (caused by {shorten(to_text(causes[-1]))})"
    return text


def shorten(text: str) -> str:
    """Return the text on one line of about 800 characters at most, without a final period."""
    text = " ".join(text.split()).removesuffix(".")
    return text if len(text) <= 800 else f"{text[:400]} … {text[-400:]}"


def to_text(error: BaseException) -> str:
    """Return the class and message of an error."""
    return f"{type(error).__name__}: {error}"


def trace(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, the root cause last."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def find_package(module: str) -> str | None:
    """Return the PyPI name of the installed library that provides a module; None if there is none."""
    return next(iter(metadata.packages_distributions().get(module.partition(".")[0], [])), None)


def advise_module(name: str) -> str:
    """Return advice for a missing module."""
    top = name.partition(".")[0]
    if package := find_package(top):
        return f"There is no {name} in the installed {package}. {advise_version(package)}"
    if top in PACKAGES or PUBLIC.fullmatch(top):
        package = PACKAGES.get(top, top)
        version = "" if "==" in package else ", at the version the model was trained with"
        return f"Add {package} to requirements.in{version}, then run ./lock.sh."
    if util.find_spec(top):
        return advise_own(top, name)
    return (
        f"Put {top}.py, or the folder {top}/ if it is a package, next to code/model_handler.py. A pickle refers to "
        "modules by the names they had in training."
    )


def advise_attribute(name: str, module: str) -> str:
    """Return advice for a class or function that a module lacks."""
    if package := find_package(module):
        return f"There is no {module}.{name} in the installed {package}. {advise_version(package)}"
    return advise_own(module, name)


def advise_own(module: str, name: str) -> str:
    """Return advice for a user module, or one of the standard library, that lacks what the model needs."""
    if skipped := user_code.find_in_module(module, name):
        return advise_skipped(skipped)
    if module.partition(".")[0] in sys.stdlib_module_names:
        return (
            f"This Python's {module} has no {name}. In the project's folder, run: ml-container-creator update "
            "--python-version=VERSION, with the version used in training."
        )
    return f"The module {module} next to code/model_handler.py has no {name}. Replace it with the one used in training."


def advise_version(package: str) -> str:
    """Return advice for a model saved by another version of a library."""
    cause = f"The model was probably saved by another version of {package} than {metadata.version(package)}."
    if package not in FRAMEWORKS:
        return f"{cause} In requirements.in, set {package} to the version used in training, then run ./lock.sh."
    return (
        f"{cause} If {package} is the project's framework, run in its folder: ml-container-creator update "
        f"--framework-version=VERSION, with the version used in training. Otherwise set {package} to that version in "
        "requirements.in, then run ./lock.sh."
    )


def advise_numpy() -> str:
    """Return advice for a pickled NumPy random generator, which other versions cannot read."""
    return advise_version("numpy")


# Pattern of an error -> advice: a format string or a function, called with the groups of the match.
ADVICE: tuple[tuple[str, str | Callable[..., str]], ...] = (
    (
        r"^ModuleNotFoundError: No module named '__builtin__'",
        "The file was saved with dill, and only dill can read it. Add dill to requirements.in, run ./lock.sh, and use "
        "dill.load(file) in load() in code/model_handler.py.",
    ),
    (r"^ModuleNotFoundError: No module named '([\w.]+)'", advise_module),
    (
        r"Can't get (?:local )?attribute '(\w+)[^']*' on <module '(?:[\w.]+\.)?__(?:mp_)?main__'",
        "{0} was defined in the notebook or script that saved the model. Put the file that defines {0} next to "
        "code/model_handler.py. For a notebook, save the cell as a .py file.",
    ),
    (r"Can't get attribute '([\w.]+)' on <module '([\w.]+)'", advise_attribute),
    (r"cannot import name '(\w+)' from '([\w.]+)'", advise_attribute),
    (
        r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
        "The system library {0} is missing. In the Dockerfile, above WORKDIR, add RUN apt-get update && apt-get "
        "install --yes PACKAGE, with the Debian package that contains it, for example libgomp1 for libgomp.so.1.",
    ),
    (r"known BitGenerator|__(?:randomstate|generator|bit_generator)_ctor", advise_numpy),
    (
        UNKNOWN_TO_KERAS,
        "{0} is not part of Keras. Put the file that defines it next to code/model_handler.py.",
    ),
    (
        r"Unrecognized keyword arguments? passed to",
        "Another version of Keras saved the model. In the project's folder, run: ml-container-creator update "
        "--framework-version=VERSION, with the TensorFlow version used in training, or save the model "
        "again with the installed version.",
    ),
    (
        r"`Lambda` layer",
        "Keras does not run code from a model file. Replace Lambda with a layer class of your own and save the model "
        "again, or set safe_mode=False in load() in code/model_handler.py if you trust the file.",
    ),
    (
        r"Should have a `?model_type`? key",
        "config.json has no model_type. Copy all files that model.save_pretrained() and tokenizer.save_pretrained() "
        "wrote, or set model_type there.",
    ),
    (
        r"model type `\w+` but Transformers does not recognize",
        "In requirements.in, set transformers to the transformers_version in config.json or newer, then run ./lock.sh.",
    ),
)
