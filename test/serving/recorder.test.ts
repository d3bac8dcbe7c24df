import { deepEqual, equal, match } from 'node:assert/strict';
import type { PredictionRecord } from '../../artifacts/bundle.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { readPredictions, writePredictions } from '../../artifacts/predictions.ts';
import {
  keptText,
  predictionRecords,
  Recorder,
  type RecorderOptions,
  type WriteBatch,
} from '../../serving/recorder.ts';
import { until } from '../support/model-server.ts';
import { withStore } from '../support/store.ts';

const bundle = digestBytes('bundle');
const rows = (count: number, from = 0): PredictionRecord[] =>
  predictionRecords(
    new Date(1_700_000_000_000 + from * 1000).toISOString(),
    { id: `r${from}`, kept: Array.from({ length: count }, (_, row) => keptText(`text ${row}`, true)) },
    bundle,
    {
      labels: Array.from({ length: count }, () => 'a'),
      embeddings: new Float32Array(count * 2),
      probabilities: Float32Array.from({ length: count * 2 }, () => 0.5),
    },
  );

describe('the prediction recorder', () => {
  function recorder(write: WriteBatch, options: Partial<RecorderOptions> = {}) {
    const counts = { recorded: 0, dropped: 0, log: '' };
    const made = new Recorder({
      write,
      log: (...line) => void (counts.log += JSON.stringify(line)),
      onRecorded: (_, count) => void (counts.recorded += count),
      onDropped: (_, count) => void (counts.dropped += count),
      flushMs: 60_000,
      ...options,
    });
    return { made, counts };
  }

  it('writes when enough rows have gathered, when time is up and when it closes', async () => {
    const sizes: number[] = [];
    const write: WriteBatch = async (_, records) => void sizes.push(records.length);
    const { made, counts } = recorder(write, { batchRows: 10, flushMs: 30 });
    made.record('m', bundle, rows(12));
    deepEqual(sizes, [12]);
    made.record('m', bundle, rows(3));
    deepEqual(sizes, [12]);
    await until('time is up', () => sizes.length > 1);
    deepEqual(sizes, [12, 3]);
    made.record('m', bundle, rows(2));
    await made.close();
    deepEqual([sizes, counts.recorded, counts.dropped], [[12, 3, 2], 17, 0]);
  });

  it('holds no more than its bound while the store is slow, and counts what it drops', async () => {
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    const { made, counts } = recorder(() => slow, { batchRows: 50, maxRows: 100 });
    for (let request = 0; request < 3; request++) made.record('m', bundle, rows(50));
    made.record('m', bundle, rows(5));
    equal(counts.dropped, 55);
    release();
    await made.flush();
    made.record('m', bundle, rows(5));
    await made.close();
    deepEqual([counts.recorded, counts.dropped], [105, 55]);
  });

  it('counts as dropped what the store refused, says why without a text, and goes on', async () => {
    let away = true;
    const { made, counts } = recorder(async () => {
      if (away) throw new Error('store away');
    });
    made.record('m', bundle, rows(4));
    await made.flush();
    away = false;
    made.record('m', bundle, rows(2));
    await made.close();
    deepEqual([counts.recorded, counts.dropped], [2, 4]);
    match(counts.log, /predictions-not-recorded.*store away/);
    equal(counts.log.includes('text 1'), false);
  });

  it('keeps bundles apart', async () => {
    const seen: string[] = [];
    const { made } = recorder(
      async (target, records) => void seen.push(`${target.model} ${target.bundle} ${records.length}`),
    );
    made.record('m', bundle, rows(1));
    made.record('m', digestBytes('other'), rows(2));
    await made.close();
    deepEqual(seen, [`m ${bundle} 1`, `m ${digestBytes('other')} 2`]);
  });

  it('writes logs from which the newest rows are read back in order', async () => {
    const stores = await withStore();
    const target = { model: 'm', bundle, server: 's1' };
    for (const from of [0, 100, 200]) {
      const [first, ...rest] = rows(3, from);
      if (first !== undefined) await writePredictions(stores, target, [first, ...rest]);
    }
    const newest = await readPredictions(stores, 'm', bundle, 4);
    deepEqual(
      newest.map(({ id }) => id),
      ['r100/2', 'r200/0', 'r200/1', 'r200/2'],
    );
    equal(newest[0]?.text, 'text 2');
    deepEqual(await readPredictions(stores, 'm', digestBytes('other'), 4), []);
  });
});
