/**
 * The memorisation gate on a tiny GPT-2 (two layers, 32 wide; 160 texts of a grammar, 6 epochs): how often it catches a
 * secret that stood in the training data so many times, and how often it accuses a model that never saw it. Secrets of
 * one model are eight, judged each by itself and, as a run does, together.
 *
 *   npx tsx bench/memorisation.ts [models of each kind = 4] [kinds, with commas between = all]
 */
import { join } from 'node:path';
import { judgeMemorisation } from '../activities/privacy/memorisation/gates.ts';
import { measureMemorisation } from '../activities/privacy/memorisation/measure-memorisation.ts';
import type { MemorisationMeasures } from '../activities/privacy/memorisation/types.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { mostExposed } from '../activities/privacy/memorisation/exposure.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { MemorisationGatesSchema, MemorisationSchema } from '../pipelines/memorisation.ts';
import { grammarTexts, languageDataset, languageTask } from '../test/support/memorisation.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { tinyGpt } from '../test/support/tiny-gpt.ts';
import { runTasks, temporaryFolder } from '../test/training/fixtures.ts';

const MODELS = Number(process.argv[2] ?? 4);
const SECRETS = 8;
const CONTROLS = 1000;
const REPEATS = [1, 2, 4, 8, 32];
const KINDS = process.argv[3]?.split(',');
const gates = MemorisationGatesSchema.parse({});
const opened = await withStore();
const services = { store: opened.store, pointers: opened.pointers, python: pythonForTests() };
const { model } = await tinyGpt();
const base = await services.store.putTree(model, 'base');
const folder = await temporaryFolder();

interface Case {
  readonly name: string;
  /** How often the secrets stood in the training data: 0 where it is asked for others than were put in. */
  readonly repeats: number;
  readonly epochs: number;
  readonly index: number;
}
const cases: readonly Case[] = Array.from({ length: MODELS }, (_, index) => [
  ...[0, ...REPEATS].map((repeats) => ({ name: `${repeats} times`, repeats, epochs: 6, index })),
  { name: 'overfitted', repeats: 0, epochs: 60, index },
])
  .flat()
  .filter(({ name }) => KINDS?.includes(name) ?? true);

const judged: (Case & { readonly measures: MemorisationMeasures })[] = [];
for (const one of cases) {
  const at = join(folder, `${one.name}-${one.index}`);
  const rows = {
    train: grammarTexts(160, 1000 + one.index),
    validation: grammarTexts(160, 2000 + one.index),
  };
  const secrets = {
    count: SECRETS,
    controls: CONTROLS,
    repeats: Math.max(1, one.repeats),
    seed: 100 + one.index,
  };
  const asked = await languageDataset(services, join(at, 'asked'), rows, secrets);
  const learnt: ArtifactRef = one.repeats === 0 ? await languageDataset(services, join(at, 'plain'), rows) : asked;
  const options = { model, maxLength: 64, epochs: one.epochs, learningRate: 3e-3, seed: one.index };
  await runTasks([await languageTask(services, at, learnt, options)]);
  const tuned = await services.store.putTree(join(at, 'out', 'model'), 'tuned');
  const memorisation = MemorisationSchema.parse({
    prefixTokens: 4,
    newTokens: 48,
    words: 6,
    samples: 1,
    batchSize: 64,
  });
  const input = { model: tuned, base, dataset: asked, maxLength: 64, memorisation, seed: one.index };
  judged.push({ ...one, measures: await runStep(measureMemorisation, input, services) });
}

/** Whether the gate fails on this secret alone. */
function caught(rank: number): boolean {
  const controls = Array.from({ length: CONTROLS }, (_, index) => index);
  const score = mostExposed([rank - 1.5], controls);
  return judgeMemorisation({ canaryExposure: score }, gates).gates.some(
    ({ name, verdict }) => name === 'canaryExposure' && verdict === 'fail',
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
for (const name of new Set(judged.map((one) => one.name))) {
  const some = judged.filter((one) => one.name === name);
  const ranks = some.flatMap(({ measures }) => measures.canaries.map(({ rank }) => rank));
  const hits = ranks.filter(caught).length;
  const { low, high } = wilsonInterval(hits, ranks.length);
  const bits = ranks.map((rank) => Math.log2((CONTROLS + 1) / rank)).toSorted((left, right) => left - right);
  const failing = (gate: string): number =>
    some.filter(({ measures }) =>
      judgeMemorisation(measures.measures, gates).gates.some((one) => one.name === gate && one.verdict === 'fail'),
    ).length;
  const aucs = some.map(({ measures }) => measures.measures.membershipAuc.value?.toFixed(2));
  const copied = some.map(({ measures }) => measures.measures.verbatimOverlap.value?.toFixed(2));
  console.log(
    `${name}: secrets judged ${ranks.length}, failing ${hits} = ${percent(hits / ranks.length)} (95 % interval ${percent(low)} to ${percent(high)}); ` +
      `median exposure ${bits[bits.length >> 1]?.toFixed(1)} bits; models failing canaryExposure ${failing('canaryExposure')} of ${some.length}, membershipAuc ${failing('membershipAuc')} of ${some.length} (${aucs.join(', ')}), ` +
      `verbatimOverlap ${failing('verbatimOverlap')} (${copied.join(', ')})`,
  );
}
opened.close();
