/** Step `validation.check-custom-gates`: whether the workers have the gates that a definition names, before anything is done. */
import { EspalierError } from '../../../artifacts/errors.ts';
import type { CheckCustomGatesInput, CheckedCustomGates } from '../../contract/validation.ts';
import type { StepDefinition } from '../../step.ts';
import type { CustomGatesModule } from './module.ts';

/** Throws BadConfig, with all that is wrong, where a gate is missing or judges what this pipeline's model does not give. */
export const checkCustomGates: StepDefinition<CheckCustomGatesInput, CheckedCustomGates> = {
  type: 'validation.check-custom-gates',
  version: 1,
  environment: (_, { customGates }) => Promise.resolve({ module: customGates?.digest ?? null }),
  run: (input, { customGates }) => Promise.resolve(checked(input, customGates)),
};

function checked({ judges, names }: CheckCustomGatesInput, known: CustomGatesModule | undefined): CheckedCustomGates {
  if (known === undefined) {
    throw new EspalierError(
      'BadConfig',
      `the definition names gates of its own (${names.join(', ')}), and this worker has none`,
      {
        where: 'customGates',
        fix: 'start the workers with ESPALIER_GATES naming the module that exports them (docs/gates.md), then retry',
      },
    );
  }
  const problems = names.flatMap((name): readonly string[] => {
    const judged = known.gates.get(name);
    if (judged === undefined)
      return [`there is no '${name}' (there is ${[...known.gates.keys()].join(', ') || 'none'})`];
    return judged === judges ? [] : [`'${name}' judges ${judged}, and this pipeline's model gives ${judges}`];
  });
  if (problems.length > 0) {
    throw new EspalierError('BadConfig', `the module of gates does not fit the definition: ${problems.join('; ')}`, {
      where: 'customGates',
      fix: 'correct the module or the definition, start the workers with it, then retry',
    });
  }
  return { module: known.digest };
}
