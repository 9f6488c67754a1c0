// What loading a model does that none should, and what it needs that no package has.
import { dangerOf, isStandard, packageOf } from '../catalog/packages.js';
import type { Facts } from './facts.js';

/** What loading a model does, a few words each: "calls os.system, which runs commands". Empty where nothing is against it. */
export function dangersIn({ modules = new Map(), callsResults = false }: Facts): string[] {
  const named = [...modules].flatMap(([module, names]) =>
    [...names].flatMap((name: string) => {
      const does = dangerOf(module, name);
      return does ? [`calls ${module}.${name}, which ${does}`] : [];
    }),
  );
  return callsResults ? [...named, 'calls what another call returned, which may be anything'] : named;
}

/** Modules that are neither Python's own nor of a package that is known: the user's. */
export const ownModules = ({ modules = new Map() }: Facts): string[] =>
  [...modules.keys()].filter((module) => !isStandard(module) && !packageOf(module));
