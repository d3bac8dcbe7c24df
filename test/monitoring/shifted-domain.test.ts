import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { detectDrift, takeRows, type DriftResult, type ModelOutputs } from '../../activities/monitoring/drift.ts';
import { importModel } from '../../activities/selection/import-model.ts';
import { linearScores, trainLinearProbe } from '../../activities/selection/linear-probe.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { TextModel } from '../../inference/text-model.ts';
import { CandidateSchema } from '../../pipelines/definition/candidates.ts';
import { IntendedUseSchema } from '../../pipelines/licence/use.ts';
import { loadPipeline, packageRoot } from '../../pipelines/load.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { temporaryFolder } from '../training/fixtures.ts';

interface Row {
  readonly message: string;
  readonly intent: string;
}
const rowsOf = async (name: string) =>
  parse<Row>(await readFile(join(packageRoot(), 'pipelines/support-intents/data', name)), { columns: true });
/** Training messages of the probe: enough to tell ten intents, and quick. */
const PROBE_ROWS = 300;

/** The shipped pipeline's smaller encoder, imported as a run imports it (the wheel is downloaded once a machine). */
async function shippedEncoder(): Promise<TextModel> {
  const { store, pointers } = await withStore();
  const services = { store, pointers, python: pythonForTests() };
  const { candidates, intendedUse } = (await loadPipeline('support-intents')).value as Record<string, unknown> & {
    candidates: { id: string }[];
  };
  const candidate = CandidateSchema.parse(candidates.find(({ id }) => id === 'minilm-l3'));
  const use = { candidate, intendedUse: IntendedUseSchema.parse(intendedUse) };
  const { model } = await runStep(importModel, { resolved: await runStep(resolveModel, use, services) }, services);
  const shape = { model, layers: candidate.layers ?? null, pooling: candidate.pooling, maxLength: 48 };
  const folder = await temporaryFolder();
  await store.checkout((await runStep(exportEncoder, shape, services)).encoder, folder);
  return TextModel.load(folder);
}

/** What a classifier would record that is a linear probe on the frozen encoder. */
async function classifierOn(encoder: TextModel): Promise<(rows: readonly Row[]) => Promise<ModelOutputs>> {
  const { dimension } = encoder.config;
  const embed = async (rows: readonly Row[]) => (await encoder.runAll(rows.map(({ message }) => message))).embeddings;
  const train = (await rowsOf('messages.csv')).slice(0, PROBE_ROWS);
  const labels = [...new Set(train.map(({ intent }) => intent))].toSorted();
  const classes = labels.length;
  const known = {
    embeddings: await embed(train),
    classes: Int32Array.from(train, (row) => labels.indexOf(row.intent)),
  };
  const probe = await trainLinearProbe(known, { dimension, classes, seed: 7 });
  return async (rows) => {
    const embeddings = await embed(rows);
    const weights = Float32Array.from(linearScores(probe, embeddings), Math.exp);
    const probabilities = weights.map((weight, at) => {
      const start = at - (at % classes);
      return weight / weights.subarray(start, start + classes).reduce((sum, one) => sum + one, 0);
    });
    const textLengths = rows.map(({ message }) => Array.from(message).length);
    return { rows: rows.length, dimension, classes, embeddings, probabilities, textLengths };
  };
}

describe('drift on the shipped messages', function () {
  this.timeout(300_000);
  let validated: ModelOutputs;
  let usual: ModelOutputs;
  let shifted: ModelOutputs;
  before(async () => {
    const encoder = await shippedEncoder();
    try {
      const answer = await classifierOn(encoder);
      const held = await answer(await rowsOf('test.csv'));
      // Every second held-out message is what a model was validated on; the others are then traffic of the same shop.
      const half = (start: number) => Uint32Array.from({ length: held.rows / 2 }, (_, at) => 2 * at + start);
      [validated, usual] = [takeRows(held, half(0)), takeRows(held, half(1))];
      shifted = await answer(await rowsOf('shifted.csv'));
    } finally {
      await encoder.release();
    }
  });

  const check = (window: ModelOutputs): Promise<DriftResult> =>
    detectDrift(validated, window, { falseAlarmRate: 0.01, seed: 7 });
  const alarms = ({ tests }: DriftResult) => tests.filter(({ alarm }) => alarm).map(({ name }) => name);

  it('raises no alarm for other messages to the same shop', async () => {
    assert.deepEqual(alarms(await check(usual)), []);
  });

  it('raises it for the same requests in another trade, by what they mean and not only by their length', async () => {
    const found = await check(shifted);
    assert.equal(found.drift, true);
    assert.ok(alarms(found).includes('embedding'), `alarms: ${alarms(found).join(', ') || 'none'}`);
  });
});
