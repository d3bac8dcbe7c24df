/**
 * A whole run on real data: a story teller (stories260K, 0.26 M parameters) is to answer the customers of a booking
 * service (2,833 replies of the Schema-Guided Dialogue data) within guidelines. A prompt is searched first, and the model tuned,
 * since a prompt is not enough. All of it as `espalier run` does it: from the data to a served model, or to the gate that
 * stops it. Gates fail as they do by default; here they only warn, so that every figure is seen.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/replies.ts ['{"learningRate": 1e-3, …}' over training]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { Score } from '../activities/contract/measures.ts';
import { runOutcome } from '../client/runs.ts';
import type { PipelineDefinition } from '../pipelines/definition.ts';
import { GENERATION_GATE_NAMES } from '../pipelines/gates/generation.ts';
import { finishRun, startDefinition, startTestHost } from '../test/support/host.ts';
import { BOOKING_GUIDELINES } from './foretold/cases.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const training = JSON.parse(process.argv[2] ?? '{}') as object;

const GUIDELINES = `${BOOKING_GUIDELINES}  - { id: english, kind: language, language: en }
  - { id: calm, kind: no-shouting }
  - { id: own-words, kind: no-role-leak }
  - { id: no-circles, kind: repetition, words: 4, maxShare: 0.3 }
  - { id: friendly, kind: tone, tone: polite, severity: soft }
`;

const warns = { severity: 'warn' } as const;
const definition: PipelineDefinition = {
  name: 'booking-replies',
  task: 'text-generation',
  description: 'Answers the customers of a booking service.',
  data: {
    files: { train: ['train.jsonl'], test: ['test.jsonl'] },
    prompt: 'user',
    completion: 'reply',
    generalText: 'stories.txt',
    licence: 'CC-BY-SA-4.0',
    source: 'Schema-Guided Dialogue',
  },
  guidelines: 'guidelines.yaml',
  intendedUse: { commercial: true, domain: 'booking' },
  candidates: [{ id: 'stories260k', model: join(root, 'models/karpathy/tinyllamas-stories260K') }],
  selection: { prompts: { systems: ['Answer the customer.'], examples: [0, 2], maxPrompts: 100 } },
  adherence: { target: 0.9 },
  training: { method: 'full', epochs: 4, batchSize: 16, learningRate: 2e-3, maxLength: 256, ...training },
  generation: { maxNewTokens: 96 },
  gates: Object.fromEntries(GENERATION_GATE_NAMES.map((name) => [name, warns])),
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
  deploy: { model: 'replies' },
};

/** The last of the sample: as many as are read, none of them to be trained on. */
async function stories(): Promise<string> {
  const text = await readFile(join(root!, 'datasets/tinystories-sample/tinystories_sample.txt'), 'utf8');
  const all = text.split('<|endoftext|>').map((story) => story.trim().replaceAll(/\n+/g, '\n'));
  return all.slice(-101, -1).join('\n\n');
}

const host = await startTestHost();
try {
  for (const name of ['train.jsonl', 'test.jsonl']) {
    await writeFile(join(host.folder, name), await readFile(join(root, 'datasets/sgd-replies', name)));
  }
  await writeFile(join(host.folder, 'stories.txt'), await stories());
  await writeFile(join(host.folder, 'guidelines.yaml'), GUIDELINES);
  const startedAt = performance.now();
  await startDefinition(host, 'replies', definition);
  const { state } = await finishRun(host, 'replies', undefined, 30 * 60_000);
  const { report, reason } = await runOutcome(host.temporal.client, 'replies');
  const facts = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
  if (facts === undefined) throw new Error('the report has no facts');
  print(await host.store.store.getJson<RunFacts>(facts.digest));
  console.log(`${state} (${reason ?? ''}) after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
} finally {
  await host.stop();
}

function print({ selection, generation, exported, training: trained, gates }: RunFacts): void {
  if (selection !== undefined && 'training' in selection) console.log('after the prompt:', selection.training);
  console.log('formatted:', generation?.formatted?.rows, generation?.formatted?.leftOut);
  const best = generation?.tuned?.search.best;
  if (best !== undefined) console.log(`tuned, validation prompts: ${told(best.adherence)} by '${best.name}'`);
  console.log(`trained ${trained?.steps} steps:`, trained);
  if (exported !== undefined && 'road' in exported) console.log(`chosen: ${exported.road}: ${exported.reason}`);
  for (const { id, kept } of generation?.evaluation?.checks ?? []) console.log(`  ${id}: ${told(kept)}`);
  for (const [name, figure] of Object.entries(generation?.evaluation?.figures ?? {}))
    console.log(`  ${name}: ${told(figure)}`);
  for (const { name, verdict, score, threshold, reason } of gates?.gates ?? []) {
    console.log(`${verdict} ${name}: ${told(score)}, ${threshold} (${reason})`);
  }
}

function told({ value, interval, rows }: Score): string {
  const ends = interval === null ? '' : ` (${interval.low.toFixed(3)} to ${interval.high.toFixed(3)})`;
  return `${value?.toFixed(3)}${ends} on ${rows}`;
}
