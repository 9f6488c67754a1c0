// Every combination of choices that makes another container, of those that can be generated.
import { formatsOf, frameworkNames, frameworks } from '../../generators/catalog/frameworks.js';
import { isAvailable } from '../../generators/catalog/unavailable.js';

const available = <T>(key: string, values: readonly T[]) => values.filter((value) => isAvailable(key, value));

export const combinations = available('framework', frameworkNames).flatMap((framework) =>
  available('modelServer', frameworks[framework].servers).flatMap((modelServer) =>
    (formatsOf(framework).length ? formatsOf(framework) : [{ name: undefined }]).flatMap(({ name: modelFormat }) =>
      (['s3', 'image'] as const).map((modelDelivery) => ({ framework, modelServer, modelFormat, modelDelivery })),
    ),
  ),
);
