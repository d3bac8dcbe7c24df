import { deepEqual, equal, ok } from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawProbeRows, probeQuotas } from '../../activities/selection/probe-rows.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporaryFolder } from '../training/fixtures.ts';

type Row = { readonly id: string } & ({ readonly label: string } | { readonly labels: readonly string[] });
const { signal } = new AbortController();
const total = (quotas: ReadonlyMap<string, number> | null) => [...quotas!.values()].reduce((sum, one) => sum + one, 0);

describe('the training rows that probes are fitted on', () => {
  let opened: TestStore;
  before(async () => (opened = await withStore()));
  after(() => opened.close());

  async function drawnOf(rows: readonly Row[], seed = 7): Promise<readonly Row[] | null> {
    const folder = await temporaryFolder();
    await writeFile(
      join(folder, 'train.jsonl'),
      rows.map((row) => `${JSON.stringify({ ...row, text: row.id })}\n`),
    );
    const drawn = await drawProbeRows(opened.store, await opened.store.putTree(folder, 'dataset'), seed, signal);
    ok(drawn === null || drawn.of === rows.length);
    return drawn?.places.map((place) => rows[place]!) ?? null;
  }

  it('are all of few, half of small data, and 2,000 of more', () => {
    const split = (rows: number) => new Map(['a', 'b'].map((label) => [label, rows / 2]));
    equal(probeQuotas(split(500)), null);
    deepEqual(
      [600, 1200, 4000, 1_000_000].map((rows) => total(probeQuotas(split(rows)))),
      [500, 600, 2000, 2000],
    );
  });

  it('are of every label its share, but ten where there are ten', () => {
    const counts = new Map([
      ['common', 90_000],
      ['usual', 9_980],
      ['rare', 15],
      ['once', 1],
    ]);
    deepEqual(
      [...probeQuotas(counts)!],
      [
        ['common', 1801],
        ['usual', 200],
        ['rare', 10],
        ['once', 1],
      ],
    );
    // 300 labels of ten rows each: nothing is left to draw.
    equal(probeQuotas(new Map(Array.from({ length: 300 }, (_, at) => [`label ${at}`, 10]))), null);
  });

  it('are the same rows whatever order they stand in, and others for another seed', async () => {
    // More rows than are read at once.
    const rows = Array.from({ length: 5000 }, (_, at) => ({ id: `row-${at}`, label: at % 10 === 0 ? 'few' : 'many' }));
    const drawn = (await drawnOf(rows))!;
    equal(drawn.filter((row) => 'label' in row && row.label === 'few').length, 200);
    equal(drawn.length, 2000);
    const ids = (some: readonly Row[]) => some.map(({ id }) => id).toSorted();
    deepEqual(ids((await drawnOf(rows.toReversed()))!), ids(drawn));
    const other = new Set(ids((await drawnOf(rows, 8))!));
    ok(drawn.some(({ id }) => !other.has(id)));
  });

  it('are, of several labels a row, drawn by the rarest of each, and of rows without any', async () => {
    // Every tenth row has a rare label beside the usual one, and every fourth none.
    const labelsOf = (at: number) => (at % 10 === 0 ? ['usual', 'rare'] : at % 4 === 1 ? [] : ['usual']);
    const rows = Array.from({ length: 1000 }, (_, at) => ({ id: `row-${at}`, labels: labelsOf(at) }));
    const drawn = (await drawnOf(rows))!.map((row) => ('labels' in row ? row.labels.join() : ''));
    const counted = (wanted: string) => drawn.filter((labels) => labels === wanted).length;
    deepEqual([counted('usual,rare'), counted(''), counted('usual')], [50, 125, 325]);
  });

  it('are not drawn where all are needed', async () => {
    equal(await drawnOf(Array.from({ length: 40 }, (_, at) => ({ id: `${at}`, label: `${at % 3}` }))), null);
  });
});
