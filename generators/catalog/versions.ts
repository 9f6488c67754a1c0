// The versions of each framework's library with a tested requirements set in templates/requirements.
// To add a version, add one line here and run `npm run pins`.
import type { Framework } from './frameworks.js';

/** The versions that one requirements set covers: the patches of a minor version. */
export interface Release {
  /** Newest first. The set pins the first; it also resolves when that one line is changed to any of the others. */
  patches: readonly [string, ...string[]];
  /** Python versions that the set has builds for, oldest first. The image uses the last. */
  pythons: readonly [PythonVersion, ...PythonVersion[]];
  /** Cut-off date for other libraries: models expect those of their time, and package metadata rarely says so. */
  asOf?: string;
  /** Major CUDA version in its packages, if not the framework's; false if they include none. */
  cuda?: number | false;
  /** Its packages, if not those in the framework's `library`. */
  library?: readonly string[];
}

/** Python versions that the serving code supports, oldest first. 3.10 is for libraries without newer builds. */
export const pythons = ['3.10', '3.11', '3.12', '3.13'] as const;
export type PythonVersion = (typeof pythons)[number];

const to313 = ['3.11', '3.12', '3.13'] as const;
const to312 = ['3.11', '3.12'] as const;
const only311 = ['3.11'] as const;
const only310 = ['3.10'] as const;

/** The patches of `minor`, newest first: ('1.3', 2) gives 1.3.2, 1.3.1, 1.3.0. */
const patches = (minor: string, newest: number, oldest = 0): [string, ...string[]] => {
  const all = Array.from({ length: newest - oldest + 1 }, (_, at) => `${minor}.${newest - at}`);
  return all as [string, ...string[]];
};

const xgboost = ['xgboost=={}', 'numpy', 'scipy'];

/** Newest first. `asOf` is the date on which PyPI got the next minor version. */
export const releases: Partial<Record<Framework, readonly Release[]>> = {
  sklearn: [
    { patches: patches('1.9', 1), pythons: to313 },
    { patches: patches('1.8', 0), pythons: to313, asOf: '2026-06-02' },
    { patches: patches('1.7', 2), pythons: to313, asOf: '2025-12-10' },
    { patches: patches('1.6', 1), pythons: to313, asOf: '2025-06-05' },
    { patches: patches('1.5', 2), pythons: to312, asOf: '2024-12-09' },
    { patches: ['1.4.2', '1.4.0'], pythons: to312, asOf: '2024-05-21' },
    { patches: patches('1.3', 2), pythons: only311, asOf: '2024-01-18' },
    { patches: patches('1.2', 2), pythons: only311, asOf: '2023-06-30' },
    { patches: patches('1.1', 3), pythons: only310, asOf: '2022-12-08' },
    { patches: patches('1.0', 2, 2), pythons: only310, asOf: '2022-05-12' },
  ],
  xgboost: [
    { patches: patches('3.4', 1), pythons: ['3.12', '3.13'], cuda: 13 },
    { patches: patches('3.3', 0), pythons: ['3.12', '3.13'], asOf: '2026-08-04' },
    { patches: patches('3.2', 0), pythons: to313 },
    { patches: patches('3.1', 3), pythons: to313, asOf: '2026-02-10' },
    { patches: patches('3.0', 5), pythons: to313, asOf: '2025-10-17' },
    { patches: patches('2.1', 4, 1), pythons: to313, asOf: '2025-03-15' },
    { patches: patches('2.0', 3), pythons: to312, asOf: '2024-06-20', library: xgboost },
    { patches: patches('1.7', 6, 1), pythons: only311, asOf: '2023-09-12', library: xgboost },
  ],
  lightgbm: [
    { patches: patches('4.7', 0), pythons: to313 },
    { patches: patches('4.6', 0), pythons: to313, asOf: '2026-07-18' },
    { patches: patches('4.5', 0), pythons: to313, asOf: '2025-02-15' },
    { patches: patches('4.4', 0), pythons: to312, asOf: '2024-07-26' },
    { patches: patches('4.3', 0), pythons: to312, asOf: '2024-06-15' },
    { patches: patches('4.2', 0), pythons: to312, asOf: '2024-01-26' },
    { patches: patches('4.1', 0), pythons: to312, asOf: '2023-12-22' },
    { patches: patches('4.0', 0), pythons: only311, asOf: '2023-09-12' },
    { patches: patches('3.3', 5), pythons: only311, asOf: '2023-07-13' },
  ],
  catboost: [{ patches: patches('1.2', 10, 8), pythons: to313 }],
  tensorflow: [
    { patches: patches('2.21', 0), pythons: to313 },
    { patches: patches('2.20', 0), pythons: to313, asOf: '2026-03-06' },
    { patches: patches('2.19', 1), pythons: to312, asOf: '2025-08-13' },
    { patches: patches('2.18', 1, 1), pythons: to312, asOf: '2025-03-12' },
    { patches: patches('2.17', 1), pythons: to312, asOf: '2024-10-25' },
    { patches: patches('2.16', 2, 1), pythons: only311, asOf: '2024-07-11' },
    { patches: patches('2.15', 1, 1), pythons: only311, asOf: '2024-03-20' },
    { patches: patches('2.14', 1), pythons: only311, asOf: '2023-11-20', cuda: false },
    { patches: patches('2.13', 1), pythons: only311, asOf: '2023-09-30', cuda: false },
    { patches: patches('2.12', 1, 1), pythons: only311, asOf: '2025-09-01', cuda: false },
  ],
  pytorch: [{ patches: ['2.15.0'], pythons: to313 }],
  onnx: [{ patches: ['1.31.1'], pythons: to313 }],
  transformers: [
    { patches: ['5.24.0'], pythons: to313 },
    { patches: patches('4.57', 6, 1), pythons: to313 },
  ],
};

/** The minor version: `1.3` for `1.3.2`. */
export const minorOf = (version: string) => version.split('.', 2).join('.');
/** A release's name: its minor version. */
export const nameOf = ({ patches: [newest] }: Release) => minorOf(newest);

/** A framework without a library has one set for each Python version whose packages must differ. */
const withoutLibrary: readonly Release[] = [
  { patches: [''], pythons: to313 },
  { patches: [''], pythons: only310 },
];

/** The releases of a framework, newest first. */
export const releasesOf = (framework: Framework): readonly Release[] => releases[framework] ?? withoutLibrary;

/** The release that contains a version (`1.3` or `1.3.1`); undefined if no set covers it. */
export function releaseOf(framework: Framework, version = '', python?: PythonVersion): Release | undefined {
  const fits = ({ patches: all, pythons: known }: Release) =>
    (all.includes(version) || minorOf(all[0]) === version) && (!python || known.includes(python));
  return releasesOf(framework).find(fits);
}

/** The Python versions supported for a library version; undefined if no set covers it. */
export function pythonsOf(framework: Framework, version: string | undefined): readonly PythonVersion[] | undefined {
  const fits = pythons.filter((python) => releaseOf(framework, version, python));
  return fits.length ? fits : undefined;
}

/** The newest release that also runs on Python 3.11, which is widely installed. */
export const standardRelease = (framework: Framework): Release =>
  releasesOf(framework).find(({ pythons: known }) => known.includes('3.11')) ?? (withoutLibrary[0] as Release);

/** The nearest release for a version that no set covers: the first that is not older, otherwise the newest. */
export function nearestRelease(framework: Framework, version: string): string {
  const numbers = (text: string) => text.split('.').reduce((sum, part, at) => sum + Number(part) / 10_000 ** at, 0);
  const oldestFirst = releasesOf(framework).map(nameOf).reverse();
  return oldestFirst.find((each) => numbers(each) >= numbers(minorOf(version))) ?? oldestFirst.at(-1) ?? '';
}

/** The full version that `1.3` or `1.3.1` means in a release. */
export const patchOf = (release: Release, version = ''): string =>
  release.patches.includes(version) ? version : release.patches[0];

/** The name of a set in templates/requirements: sklearn-1.3, xgboost-3.2-gpu, custom-python3.10. */
export function setOf(framework: Framework, release: Release, gpu: boolean): string {
  const parts = [framework, nameOf(release), gpu && 'gpu'];
  if (!nameOf(release) && !release.pythons.includes('3.11')) parts.push(`python${release.pythons[0]}`);
  return parts.filter(Boolean).join('-');
}

/** The package name at the start of a requirement, normalized as PyPI does. */
export const packageName = (requirement: string): string =>
  (/^[A-Za-z0-9._-]+/.exec(requirement)?.[0] ?? '').toLowerCase().replace(/[-_.]+/g, '-');
