/** From a pipeline's name and --set arguments to a checked definition. */
import { EspalierError } from '../artifacts/errors.ts';
import { applySettings, parseSettings } from '../client/settings.ts';
import { checkPipeline, type Problem } from '../pipelines/check.ts';
import type { Pipeline } from '../pipelines/definition.ts';
import { loadPipeline } from '../pipelines/load.ts';
import { printError, printJson, say, style, EXIT } from './output.ts';

export interface CheckedPipeline {
  readonly pipeline: Pipeline;
  readonly path: string;
  readonly folder: string;
  /** No mistakes, but worth a look. */
  readonly notes: readonly Problem[];
}

/** Loads, applies `path=value` settings, checks. With mistakes: prints all of them by path and returns the exit code. */
export async function loadChecked(
  name: string,
  settings: readonly string[],
  json: boolean,
): Promise<CheckedPipeline | number> {
  const { path, folder, value } = await loadPipeline(name);
  const checked = checkPipeline(applySettings(value, parseSettings(settings)), { folder });
  if (checked.ok) return { pipeline: checked.pipeline, path, folder, notes: checked.notes };
  return printProblems(checked.problems, path, json);
}

/** Every mistake by its path; returns the exit code. */
export function printProblems(problems: readonly Problem[], path: string, json: boolean): number {
  if (json) printJson({ ok: false, path, problems });
  const count = problems.length;
  printError(new EspalierError('BadDefinition', `${count} mistake${count === 1 ? '' : 's'} in ${path}`), false);
  sayEach(problems);
  return EXIT.usage;
}

/** A line each, by path, with the way out below it. */
export function sayEach(problems: readonly Problem[]): void {
  for (const { path: where, message, fix } of problems) {
    say(
      `  ${style.bold(where === '' ? '(definition)' : where)}: ${message}${fix === undefined ? '' : `\n      ${style.dim(fix)}`}`,
    );
  }
}
