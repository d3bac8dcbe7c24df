import { deepEqual, equal, ok } from 'node:assert/strict';
import { foretellFindings } from '../../activities/retrieval/foretell-findings.ts';
import { galleryInMemory } from '../../activities/retrieval/gallery.ts';
import { figuresOf } from '../../activities/retrieval/query-figures.ts';
import { seededRandom } from '../../activities/validation/random.ts';

const { signal } = new AbortController();
const DIMENSION = 8;
const LABELS = ['a', 'b', 'c', 'd'];

/** Rows around a centre a label, at a distance at which neighbours are often of another. */
function drawn(rows: number, seed: number, labels = LABELS) {
  const centres = seededRandom(1);
  const centre = Float32Array.from({ length: labels.length * DIMENSION }, () => centres.normal());
  const random = seededRandom(seed);
  const classes = Int32Array.from({ length: rows }, (_, row) => row % labels.length);
  const embeddings = Float32Array.from({ length: rows * DIMENSION }, (_, at) => {
    const label = classes[Math.floor(at / DIMENSION)]!;
    return centre[label * DIMENSION + (at % DIMENSION)]! + 1.5 * random.normal();
  });
  return { ids: Array.from({ length: rows }, (_, row) => `${seed}-${row}`), classes, embeddings, labels };
}

const foretold = (seed: number, { rows = 100, fullRows = 1000, labels = LABELS } = {}) =>
  foretellFindings(
    galleryInMemory(drawn(rows, seed, labels)),
    drawn(120, 99, labels),
    { k: 3, seed, fullRows },
    { signal, progress: () => undefined },
  );

describe('what a larger gallery should find', () => {
  it('is foretold within its interval, and nearer than the small gallery’s own mAP, which is too high', async function () {
    this.timeout(120_000);
    const figures = await figuresOf(galleryInMemory(drawn(1000, 9)), drawn(120, 99), { k: 3, signal });
    const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const achieved = { recallAtK: mean(figures.recallAtK), meanAveragePrecision: mean(figures.averagePrecision) };
    let held = 0;
    const off = { small: 0, foretold: 0 };
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const said = await foretold(seed);
      if ('not' in said) throw new Error(said.not);
      for (const name of ['recallAtK', 'meanAveragePrecision'] as const) {
        const { low, high } = said[name].interval;
        held += Number(low <= achieved[name] && achieved[name] <= high);
        ok(high - low < 0.2, `${name} from ${low} to ${high}`);
      }
      const small = said.curve.at(-1)!;
      equal(small.rows, 100);
      ok(said.meanAveragePrecision.value < small.meanAveragePrecision);
      off.small += Math.abs(small.meanAveragePrecision - achieved.meanAveragePrecision);
      off.foretold += Math.abs(said.meanAveragePrecision.value - achieved.meanAveragePrecision);
    }
    ok(held >= 11, `${held} of 12 intervals hold what the whole gallery finds`);
    ok(off.foretold < off.small, JSON.stringify(off));
  });

  it('is the same of one seed', async () => {
    deepEqual(await foretold(3), await foretold(3));
  });

  it('is not foretold of the whole gallery itself, nor where most labels have too few pictures to draw parts of', async () => {
    deepEqual(await foretold(1, { fullRows: 100 }), { not: 'the gallery of the prototype is the whole one' });
    const labels = Array.from({ length: 30 }, (_, label) => `label ${label}`);
    deepEqual(await foretold(1, { labels }), {
      not: '120 of 120 test pictures have a label with fewer than 8 pictures in the gallery, too few to draw parts of',
    });
  });
});
