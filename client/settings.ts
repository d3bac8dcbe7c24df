/** `--set path=value`: how settings are written, and put into a definition that is not checked yet. */
import { EspalierError } from '../artifacts/errors.ts';
import type { Settings } from '../pipelines/change.ts';

/**
 * `training.epochs=2`, `candidates.0.layers=3`: values are JSON, else plain strings. The last of two for one path counts.
 * @throws EspalierError BadConfig for one that is not path=value
 */
export function parseSettings(texts: readonly string[]): Settings {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) {
        throw new EspalierError('BadConfig', `--set '${text}' is not path=value`, {
          fix: 'write e.g. --set training.epochs=2',
        });
      }
      const path = text.slice(0, at);
      if (path.split('.').some((key) => key === '' || ['__proto__', 'constructor'].includes(key))) {
        throw new EspalierError('BadConfig', `--set path '${path}' is not a path`);
      }
      return [path, parseValue(text.slice(at + 1))];
    }),
  );
}

/** A copy of the definition with these values; it is not checked here. */
export function applySettings(definition: unknown, settings: Settings): unknown {
  const copy: unknown = structuredClone(definition);
  for (const [dotted, value] of Object.entries(settings)) {
    const path = dotted.split('.');
    let parent = copy as Record<string, unknown>;
    for (const key of path.slice(0, -1)) {
      parent[key] ??= {};
      if (typeof parent[key] !== 'object')
        throw new EspalierError('BadConfig', `--set ${dotted}: '${key}' holds a value, not settings`);
      parent = parent[key] as Record<string, unknown>;
    }
    parent[path.at(-1) ?? ''] = value;
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
