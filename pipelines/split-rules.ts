/** Shares of a split that fit together, whatever the data. */
import type { Problem } from './check.ts';
import type { Pipeline } from './definition.ts';

export function splitProblems(data: Pick<Pipeline['data'], 'files' | 'split'>): readonly Problem[] {
  const problems: Problem[] = [];
  const { train, validation, test } = data.split;
  const sum = train + validation + test;
  // Shares are written in decimal: 0.7 + 0.15 + 0.15 is off by a rounding error in binary.
  if (Math.abs(sum - 1) > 1e-9) {
    problems.push({
      path: 'data.split',
      message: `the shares add up to ${Number(sum.toFixed(6))}, not 1`,
      fix: 'make train + validation + test = 1',
    });
  }
  const declared = Array.isArray(data.files) ? {} : data.files;
  const derived = {
    train: true,
    validation: !('validation' in declared && declared.validation),
    test: !('test' in declared && declared.test),
  };
  for (const split of ['train', 'validation', 'test'] as const) {
    if (derived[split] && data.split[split] === 0) {
      problems.push({
        path: `data.split.${split}`,
        message: 'is 0, and no file is declared for it',
        fix: `give it a share, or a file in data.files.${split}`,
      });
    }
  }
  return problems;
}
