/** Latency, size and memory of an exported encoder on this machine: one text at a time, one thread, in a process of its own. */
import { mkdir } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { extname, join } from 'node:path';
import { env } from 'onnxruntime-node';
import { EspalierError } from '../../artifacts/errors.ts';
import { ofTexts, readModelConfig } from '../../inference/config.ts';
import type { EncoderProfile, ProfileEncoderInput } from '../contract/selection.ts';
import type { Hardware, Latency } from '../contract/measures.ts';
import { loadSplit } from '../data/dataset.ts';
import type { StepDefinition } from '../step.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { askChild } from './measuring-child.ts';

export interface ProfileTask {
  readonly folder: string;
  readonly texts: readonly string[];
}
export interface ProfileAnswer {
  readonly latency: Latency;
  readonly memoryMb: number;
}

/** Different texts timed: enough for the task's mix of lengths. */
const SAMPLE_TEXTS = 200;

export const profileEncoder: StepDefinition<ProfileEncoderInput, EncoderProfile> = {
  type: 'selection.profile',
  version: 1,
  environment: () => Promise.resolve(hardware()),
  async run({ encoder, dataset, maxLength }, context) {
    const { store, signal } = context;
    const folder = join(context.workDir, 'encoder');
    await mkdir(folder);
    await store.checkout(encoder, folder, { signal });
    const config = ofTexts(await readModelConfig(folder), 'encoder.json');
    if (config.maxLength !== maxLength) {
      throw new EspalierError(
        'BadModel',
        `the encoder was exported for ${config.maxLength} tokens, not for ${maxLength}`,
        {
          where: 'encoder.json',
          fix: 'export it again with selection.maxLength',
        },
      );
    }
    const rows = await loadSplit(store, dataset, 'train', signal);
    const chosen = sampleIndices(rows.length, SAMPLE_TEXTS, seededRandom(0));
    context.progress({ phase: 'measuring' });
    const { latency, memoryMb } = await measureModel(
      { folder, texts: chosen.map((row) => rows[row]?.text ?? '') },
      signal,
    );
    const { entries } = await store.tree(encoder);
    const sizeMb = entries.reduce((sum, entry) => sum + entry.size, 0) / 1e6;
    return { latency, memoryMb, sizeMb, hardware: hardware() };
  },
};

/** What a latency depends on besides the model: part of the step's key. */
export function hardware(): Hardware {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    arch: arch(),
    runtime: `onnxruntime-node ${env.versions.node ?? env.versions.common}`,
  };
}

/**
 * Times the model in `task.folder` on `task.texts`, one at a time, in a process of its own: the one that asks is busy with heartbeats
 * and its own memory. Runs profile-child in the same way as this file runs: from source under tsx, or compiled.
 */
export async function measureModel(task: ProfileTask, signal: AbortSignal): Promise<ProfileAnswer> {
  return askChild(new URL(`./profile-child${extname(import.meta.url)}`, import.meta.url), task, signal);
}
