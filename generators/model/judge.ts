// Checks what loading a model would run, and which of its modules are the user's own.
import { dangerOf, isStandard, packageOf } from '../catalog/packages.js';
import type { Facts } from './facts.js';

/** Dangerous effects of loading a model, such as "calls os.system, which runs commands". Empty if there are none. */
export function dangersIn({ modules = new Map(), callsResults = false }: Facts): string[] {
  const named = [...modules].flatMap(([module, names]) =>
    [...names].flatMap((name: string) => {
      const does = dangerOf(module, name);
      return does ? [`calls ${module}.${name}, which ${does}`] : [];
    }),
  );
  return callsResults ? [...named, 'calls the result of another call, which can be anything'] : named;
}

/** The user's own modules: those neither in the standard library nor in a known package. */
export const ownModules = ({ modules = new Map() }: Facts): string[] =>
  [...modules.keys()].filter((module) => !isStandard(module) && !packageOf(module));
