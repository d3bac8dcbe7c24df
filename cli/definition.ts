/** From a pipeline's name and --set arguments to a checked definition. */
import { EspalierError } from '../artifacts/errors.ts';
import { checkPipeline } from '../pipelines/check.ts';
import type { Pipeline } from '../pipelines/definition.ts';
import { loadPipeline } from '../pipelines/load.ts';
import { printError, printJson, say, style, EXIT } from './output.ts';

export interface CheckedPipeline {
  readonly pipeline: Pipeline;
  readonly path: string;
  readonly folder: string;
}

/** Loads, applies `path=value` settings, checks. With mistakes: prints all of them by path and returns the exit code. */
export async function loadChecked(
  name: string,
  settings: readonly string[],
  json: boolean,
): Promise<CheckedPipeline | number> {
  const { path, folder, value } = await loadPipeline(name);
  const checked = checkPipeline(applySettings(value, settings), { folder });
  if (checked.ok) return { pipeline: checked.pipeline, path, folder };
  if (json) printJson({ ok: false, path, problems: checked.problems });
  const count = checked.problems.length;
  printError(new EspalierError('BadDefinition', `${count} mistake${count === 1 ? '' : 's'} in ${path}`), false);
  for (const { path: where, message, fix } of checked.problems) {
    say(
      `  ${style.bold(where === '' ? '(definition)' : where)}: ${message}${fix === undefined ? '' : `\n      ${style.dim(fix)}`}`,
    );
  }
  return EXIT.usage;
}

/** `training.epochs=2`, `candidates.0.layers=3`: values are JSON, else plain strings. */
export function applySettings(definition: unknown, settings: readonly string[]): unknown {
  const copy: unknown = structuredClone(definition);
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1)
      throw new EspalierError('BadConfig', `--set '${setting}' is not path=value`, {
        fix: 'write e.g. --set training.epochs=2',
      });
    const path = setting.slice(0, at).split('.');
    if (path.some((key) => key === '' || ['__proto__', 'constructor', 'prototype'].includes(key))) {
      throw new EspalierError('BadConfig', `--set path '${setting.slice(0, at)}' is not a path`);
    }
    let parent = copy as Record<string, unknown>;
    for (const key of path.slice(0, -1)) {
      parent[key] ??= {};
      if (typeof parent[key] !== 'object')
        throw new EspalierError('BadConfig', `--set ${setting}: '${key}' holds a value, not settings`);
      parent = parent[key] as Record<string, unknown>;
    }
    parent[path.at(-1) ?? ''] = parseValue(setting.slice(at + 1));
  }
  return copy;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
