/** What a model's `config.json` says of it: some hundred bytes that every source gives before the weights. */
import { readFile, stat } from 'node:fs/promises';
import { boundsFault, MODEL_JSON } from './json-bounds.ts';

export const CONFIG = 'config.json';
/** Labels of a thousand classes make tens of kilobytes. */
export const MAX_CONFIG_BYTES = 2 * 1024 * 1024;

export interface ModelConfig {
  /** transformers' name of the architecture, e.g. `bert`; null where the file names none. */
  readonly modelType: string | null;
  /** Its weights are kept in few bits, by a scheme of its own. */
  readonly quantised: boolean;
}

/** null: it is too long or no JSON object. What is wrong with it the import says. */
export function parseModelConfig(bytes: Uint8Array): ModelConfig | null {
  if (bytes.length > MAX_CONFIG_BYTES || boundsFault(bytes, MODEL_JSON) !== null) return null;
  try {
    const config: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof config !== 'object' || config === null || Array.isArray(config)) return null;
    const { model_type: type, quantization_config: scheme } = config as Readonly<Record<string, unknown>>;
    return {
      modelType: typeof type === 'string' && type !== '' ? type.slice(0, 100) : null,
      quantised: scheme !== undefined,
    };
  } catch {
    return null;
  }
}

/** Of a file that lies here; null where there is none, too. */
export async function readModelConfig(path: string): Promise<ModelConfig | null> {
  try {
    return (await stat(path)).size > MAX_CONFIG_BYTES ? null : parseModelConfig(await readFile(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
