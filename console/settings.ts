/** Settings that come over HTTP: how to train, choose and judge; never what is read, who decides, or what runs where. */
import { EspalierError } from '../artifacts/errors.ts';
import { changeableSection, type Settings } from '../pipelines/change.ts';
import type { Problem } from '../pipelines/check.ts';
import { describeProblem } from '../pipelines/explain.ts';
import { ProblemError } from './problems.ts';

/** It names images, commands and secrets: a token that starts runs must not start programs. */
const LAUNCHER = /^training\.launcher(\.|$)/;

/** @throws ProblemError for a path that no caller may set; values are not checked here */
export function refuseOutOfReach(settings: Settings): void {
  const mistakes = Object.keys(settings)
    .filter((path) => changeableSection(path) === undefined || LAUNCHER.test(path))
    .map((path) => ({
      path,
      message: 'cannot be set over HTTP',
      fix: 'training.* without the launcher, gates.* and selection.* can',
    }));
  if (mistakes.length > 0) throw refusedSettings(mistakes);
}

export function refusedSettings(mistakes: readonly Problem[]): ProblemError {
  return new ProblemError(new EspalierError('BadDefinition', mistakes.map(describeProblem).join('; ')), { mistakes });
}
