/**
 * Step `privacy.measure-memorisation`: what a tuned language model has learnt by heart, by three attacks. The trainer
 * answers with losses and continuations; the figures are made here. None of its artifacts holds a text.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { Score } from '../../contract/measures.ts';
import type { StepContext, StepDefinition } from '../../step.ts';
import { MeasureMemorisationResultSchema } from '../../training/job.ts';
import { runTask } from '../../training/run-task.ts';
import { sampleIndices, seededRandom } from '../../validation/random.ts';
import type { Canaries } from './canaries.ts';
import { exposure, mostExposed } from './exposure.ts';
import { membershipAuc } from './membership.ts';
import {
  learntTexts,
  readCanaries,
  readGenerations,
  readLosses,
  shownAnswers,
  textRows,
  type TextLoss,
  type TextRow,
} from './texts.ts';
import type { CanaryExposure, MeasureMemorisationInput, MemorisationMeasures } from './types.ts';
import { copiedShare, Learnt } from './verbatim.ts';

const MISSING: Score = { value: null, interval: null, rows: 0 };

/** Throws BadModel or UnsafeModel for a model that cannot or must not be loaded, BadData for rows that are none. */
export const measureMemorisation: StepDefinition<MeasureMemorisationInput, MemorisationMeasures> = {
  type: 'privacy.measure-memorisation',
  version: 2,
  async run(input, context) {
    const { store, signal } = context;
    const texts = await chosenTexts(input, context);
    const answer = await ask(input, texts, context);
    context.progress({ phase: 'judging what was learnt by heart' });
    const calibrated = input.base !== null;
    const judged = attackByLoss(texts, answer.losses, calibrated);
    const plain = attackByLoss(texts, answer.losses, false);
    const verbatim = await copies(texts, answer.generations, input, signal);
    const details = await store.putJson(
      {
        version: 1,
        members: answer.losses.slice(0, texts.members.length),
        heldOut: answer.losses.slice(texts.members.length, texts.members.length + texts.heldOut.length),
        canaries: judged.canaries,
        generations: verbatim.details,
      },
      'memorisation.json',
    );
    return {
      measures: {
        canaryExposure: judged.canaryExposure,
        membershipAuc: judged.membershipAuc,
        verbatimOverlap: verbatim.all,
      },
      calibrated,
      canaries: judged.canaries,
      uncalibrated: { canaryExposure: plain.canaryExposure, membershipAuc: plain.membershipAuc },
      longestRun: verbatim.longest,
      verbatim: verbatim.byDecoding,
      notes: notesOf(texts, verbatim.all),
      details,
    };
  },
};

interface ChosenTexts {
  readonly training: readonly TextRow[];
  readonly heldOutAll: readonly TextRow[];
  /** As many of each. */
  readonly members: readonly TextRow[];
  readonly heldOut: readonly TextRow[];
  readonly prompts: readonly TextRow[];
  readonly canaries: Canaries | undefined;
}

async function chosenTexts(
  { dataset, memorisation, seed }: MeasureMemorisationInput,
  { store, signal }: StepContext,
): Promise<ChosenTexts> {
  const training = await textRows(store, dataset, 'train', signal);
  const splits = ['validation', 'test'] as const;
  const heldOutAll = (await Promise.all(splits.map((split) => textRows(store, dataset, split, signal)))).flat();
  const count = Math.min(memorisation.texts, training.length, heldOutAll.length);
  const some = (rows: readonly TextRow[], wanted: number, stream: number): readonly TextRow[] =>
    sampleIndices(rows.length, wanted, seededRandom(seed, stream)).map((index) => rows[index] as TextRow);
  return {
    training,
    heldOutAll,
    members: some(training, count, 1),
    heldOut: some(heldOutAll, count, 2),
    prompts: some(training, memorisation.prompts, 3),
    canaries: await readCanaries(store, dataset),
  };
}

/** Losses of members, held-out texts, canaries and controls, in this order; and continuations of the prompts. */
async function ask(
  { model, base, maxLength, memorisation, seed }: MeasureMemorisationInput,
  { members, heldOut, prompts, canaries }: ChosenTexts,
  context: StepContext,
): Promise<{
  losses: readonly TextLoss[];
  generations: Awaited<ReturnType<typeof readGenerations>>;
}> {
  const { store, workDir, signal } = context;
  const folder = async (tree: ArtifactRef, name: string): Promise<string> => {
    await store.checkout(tree, join(workDir, name), { signal });
    return join(workDir, name);
  };
  const secrets = [...(canaries?.inserted ?? []), ...(canaries?.controls ?? [])].map((text) => ({ text }));
  await mkdir(join(workDir, 'rows'));
  const file = async (name: string, rows: readonly TextRow[]): Promise<string> => {
    const path = join(workDir, 'rows', name);
    await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''), { signal });
    return path;
  };
  const { batchSize, prefixTokens, newTokens, samples, temperature, threads } = memorisation;
  const task = {
    verb: 'measure-memorisation',
    model: await folder(model, 'model'),
    base: base === null ? null : await folder(base, 'base'),
    texts: await file('texts.jsonl', [...members, ...heldOut, ...secrets]),
    prompts: await file('prompts.jsonl', prompts),
    maxLength,
    batchSize,
    prefixTokens,
    newTokens,
    samples,
    temperature,
    seed,
    threads,
    device: 'auto',
    out: join(workDir, 'out'),
  } as const;
  const result = MeasureMemorisationResultSchema.parse(await runTask(task, context));
  return { losses: await readLosses(result.losses), generations: await readGenerations(result.generations) };
}

/** By losses of the tuned model, or by how far they are below the base's: that takes away how likely a text is anyhow. */
function attackByLoss(
  { members, heldOut, canaries }: ChosenTexts,
  losses: readonly TextLoss[],
  calibrated: boolean,
): Pick<MemorisationMeasures['measures'], 'canaryExposure' | 'membershipAuc'> & Pick<MemorisationMeasures, 'canaries'> {
  const sums = losses.map(({ loss, baseLoss }) => (calibrated ? loss - (baseLoss ?? Number.NaN) : loss));
  const perToken = sums.map((sum, row) => sum / (losses[row]?.tokens ?? Number.NaN));
  const [firstStranger, firstCanary] = [members.length, members.length + heldOut.length];
  const auc = membershipAuc(perToken.slice(0, firstStranger), perToken.slice(firstStranger, firstCanary));
  if (canaries === undefined) return { canaryExposure: MISSING, membershipAuc: auc, canaries: [] };
  const inserted = sums.slice(firstCanary, firstCanary + canaries.inserted.length);
  const controls = sums.slice(firstCanary + canaries.inserted.length);
  const exposures = inserted.map((loss) => exposure(loss, controls));
  return {
    canaryExposure: mostExposed(inserted, controls),
    membershipAuc: auc,
    canaries: exposures.flatMap((one, canary): CanaryExposure[] =>
      one === null ? [] : [{ canary, repeats: canaries.repeats, rank: one.rank, exposureBits: one.exposureBits }],
    ),
  };
}

async function copies(
  { training, heldOutAll, prompts }: ChosenTexts,
  generations: Awaited<ReturnType<typeof readGenerations>>,
  { memorisation, seed }: MeasureMemorisationInput,
  signal: AbortSignal,
): Promise<{
  all: Score;
  byDecoding: MemorisationMeasures['verbatim'];
  longest: MemorisationMeasures['longestRun'];
  details: readonly unknown[];
}> {
  const learnt = new Learnt(training.flatMap(learntTexts), heldOutAll.flatMap(learntTexts), memorisation.words);
  const found = generations.map(({ row, decoding, sample, text }) => ({
    row,
    decoding,
    sample,
    ...learnt.copied(text, shownAnswers(prompts[row]!)),
  }));
  const share = (some: typeof found): Promise<Score> => {
    const groups = prompts.map((_, row) => {
      const own = some.filter((one) => one.row === row);
      return { runs: sum(own.map(({ runs }) => runs)), copied: sum(own.map(({ copied }) => copied)) };
    });
    return copiedShare(groups, seed, signal);
  };
  const by = (decoding: 'greedy' | 'sampled'): typeof found => found.filter((one) => one.decoding === decoding);
  const longest = (some: typeof found): number => some.reduce((most, one) => Math.max(most, one.longest), 0);
  return {
    all: await share(found),
    byDecoding: { greedy: await share(by('greedy')), sampled: await share(by('sampled')) },
    longest: { greedy: longest(by('greedy')), sampled: longest(by('sampled')) },
    details: found,
  };
}

function notesOf({ canaries, members }: ChosenTexts, verbatim: Score): readonly string[] {
  return [
    ...(canaries === undefined
      ? ['the training data have no canaries: put some in, or set the gate canaryExposure off']
      : []),
    ...(members.length < 2 ? ['there are too few held-out texts to tell the training texts from'] : []),
    ...(verbatim.value === null
      ? ['no continuation has as many words as a run: ask for more new tokens, or shorter runs']
      : []),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
