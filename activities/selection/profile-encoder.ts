/** Latency, size and memory of an exported encoder on this machine: one text or picture at a time, one thread, in a process of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { extname, join } from 'node:path';
import { env } from 'onnxruntime-node';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { allottedCores, allottedMemory } from '../../inference/allotted.ts';
import { readModelConfig } from '../../inference/config.ts';
import { textInput, type TextInput } from '../../inference/texts.ts';
import { checkout } from '../checkout.ts';
import type { Split } from '../contract/data.ts';
import type { EncoderProfile, ProfileEncoderInput } from '../contract/selection.ts';
import type { Hardware, Latency } from '../contract/measures.ts';
import { datasetRow } from '../data/dataset.ts';
import { countPictures, loadPictures } from '../data/images/pictures.ts';
import { countLines, lineBlocks } from '../data/line-blocks.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { requireTold, saysNothing, timedLatency, withoutTimeLimits } from './busy-machine.ts';
import { timePatiently } from './time-patiently.ts';
import { TIMED_TRIES, requireHardware } from './machines.ts';
import { askChild } from './measuring-child.ts';
import { processor } from './processor.ts';

/**
 * `pictures`: the files that they are in, decoded and prepared with every run as they are where the model is served. `index`:
 * the folder of one that each is looked up in, too, and how many neighbours are asked for.
 */
export type ProfileTask = { readonly folder: string } & (
  | { readonly texts: readonly TextInput[] }
  | {
      readonly pictures: readonly string[];
      readonly index?: { readonly folder: string; readonly k: number };
    }
);
export interface ProfileAnswer {
  readonly latency: Latency;
  /** Most memory of the whole process, and what it took above what it had before the model. */
  readonly processMb: number;
  readonly memoryMb: number;
}

/** Different texts timed: enough for the task's mix of lengths. */
const SAMPLE_TEXTS = 200;
/** Different pictures: those of one task are of a few sizes. */
const SAMPLE_PICTURES = 50;

export const profileEncoder: StepDefinition<ProfileEncoderInput, EncoderProfile> = {
  type: 'selection.profile',
  version: 6,
  environment: () => Promise.resolve(hardware()),
  tries: TIMED_TRIES,
  identity: withoutTimeLimits,
  keeps: ({ latency }, { timeLimits }) => !saysNothing(timedLatency(latency, timeLimits)),
  async run({ encoder, dataset, maxLength, hardware: wanted, timeLimits }, context) {
    requireHardware(hardware(), wanted);
    const { store, signal } = context;
    const folder = await checkout(context, encoder, 'encoder');
    const config = await readModelConfig(folder);
    if (config.input !== 'image' && config.maxLength !== maxLength) {
      throw new EspalierError(
        'BadModel',
        `the encoder was exported for ${config.maxLength} tokens, not for ${maxLength}`,
        {
          where: 'encoder.json',
          fix: 'export it again with selection.maxLength',
        },
      );
    }
    const asked =
      config.input === 'image'
        ? { pictures: await samplePictures(dataset, 'train', SAMPLE_PICTURES, context) }
        : { texts: await sampleTexts(dataset, context) };
    context.progress({ phase: 'measuring' });
    const timed = ({ latency: taken }: ProfileAnswer) => timedLatency(taken, timeLimits);
    const measured = await timePatiently(() => measureModel({ folder, ...asked }, signal), timed, context);
    requireTold(timed(measured));
    const { latency, memoryMb } = measured;
    const { entries } = await store.tree(encoder);
    const sizeMb = entries.reduce((sum, entry) => sum + entry.size, 0) / 1e6;
    return { latency, memoryMb, sizeMb, hardware: machine() };
  },
};

async function sampleTexts(
  dataset: ArtifactRef,
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<readonly TextInput[]> {
  const file = 'train.jsonl';
  const path = await store.fileInTree(dataset, file, signal);
  const chosen = new Set(sampleIndices(await countLines(path, signal), SAMPLE_TEXTS, seededRandom(0)));
  const texts: TextInput[] = [];
  let place = 0;
  for await (const block of lineBlocks(path, file, signal)) {
    for (const value of block) {
      const { text, pair } = datasetRow(value);
      if (chosen.has(place++)) texts.push(textInput(text, pair));
    }
  }
  return texts;
}

/** Files with a seeded sample of a split's pictures, each called by its row's id, under the step's own folder. Throws BadData where there is none. */
export async function samplePictures(
  dataset: ArtifactRef,
  split: Split,
  most: number,
  { store, signal, workDir }: Pick<StepContext, 'store' | 'signal' | 'workDir'>,
  among?: ReadonlySet<string>,
): Promise<readonly string[]> {
  const rows = among?.size ?? (await countPictures(store, dataset, split, signal));
  const chosen = new Set(sampleIndices(rows, Math.min(most, rows), seededRandom(0)));
  const folder = join(workDir, `sample-${split}`);
  await mkdir(folder);
  const files: string[] = [];
  let row = 0;
  for await (const { id, bytes } of loadPictures(store, dataset, split, signal)) {
    if (among?.has(id) === false || !chosen.has(row++)) continue;
    const file = join(folder, id);
    await writeFile(file, bytes, { signal });
    files.push(file);
  }
  if (files.length > 0) return files;
  throw new EspalierError('BadData', `the ${split} split has no pictures to measure with`, { where: `${split}.tar` });
}

/** What a latency depends on besides the model: part of the step's key. */
export function hardware(): Hardware {
  return {
    cpu: processor(),
    cores: allottedCores(),
    arch: arch(),
    runtime: `onnxruntime-node ${env.versions.node ?? env.versions.common}`,
  };
}

/** What stands beside a measurement: besides what decides a latency, how much memory there is. */
export function machine(): Hardware {
  return { ...hardware(), memoryMb: Math.round(allottedMemory() / 1e6) };
}

/**
 * Times the model in `task.folder` on the task's texts or pictures, one at a time, in a process of its own: the one that asks is busy with heartbeats
 * and its own memory. Runs profile-child in the same way as this file runs: from source under tsx, or compiled.
 */
export async function measureModel(task: ProfileTask, signal: AbortSignal): Promise<ProfileAnswer> {
  return askChild(new URL(`./profile-child${extname(import.meta.url)}`, import.meta.url), task, signal);
}
