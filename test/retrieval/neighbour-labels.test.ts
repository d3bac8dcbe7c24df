import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { galleryInMemory } from '../../activities/retrieval/gallery.ts';
import { labelErrorsAround } from '../../activities/retrieval/neighbour-labels.ts';
import { lookAround } from '../../activities/retrieval/neighbourhoods.ts';
import { seededRandom } from '../../activities/validation/random.ts';

const LABELS = ['bolt', 'gear', 'nut'];
const options = { seed: 3, signal: new AbortController().signal, progress: () => undefined };

/** Pictures around three directions; `spread` beyond 1 leaves hardly a direction. `labelOf`: what they are said to be. */
function pictures(
  name: string,
  count: number,
  { spread = 0.1, labelOf = (at: number) => at % 3 }: { spread?: number; labelOf?: (at: number) => number } = {},
) {
  const random = seededRandom(7, name.length);
  const places = [...Array(count).keys()];
  return {
    ids: places.map((at) => `${name}-${at}`),
    classes: Int32Array.from(places, labelOf),
    embeddings: Float32Array.from(
      places.flatMap((at) => LABELS.map((_, axis) => Number(axis === at % 3) + spread * random.normal())),
    ),
  };
}

async function around(gallery: ReturnType<typeof pictures>, test: ReturnType<typeof pictures>) {
  const found = await lookAround(galleryInMemory({ ...gallery, labels: LABELS }), test, LABELS.length, options);
  return { found, ...labelErrorsAround(found, LABELS) };
}

describe('labels that neighbours contradict', () => {
  it('are the wrong ones of a gallery, by id, with what stands around them', async () => {
    const wrong = (at: number): number => (at === 4 || at === 30 ? 2 : at % 3);
    const { score, examples } = await around(pictures('shown', 90, { labelOf: wrong }), pictures('asks', 30));
    // Neighbours of a wrong one have a doubt of their own: they are no witnesses.
    ok(score.rows > 50 && score.rows < 90, JSON.stringify(score));
    deepEqual([Math.round(score.value! * score.rows), score.of], [2, 'gallery pictures']);
    deepEqual(examples.map(({ id }) => id).toSorted(), ['shown-30', 'shown-4']);
    match(
      examples.find(({ id }) => id === 'shown-4')!.note,
      /^nut; about (9|10) in 10 of its nearest are gear \(of the gallery pictures\)$/,
    );
  });

  it('are those of test pictures where more of these are shown to be wrong', async () => {
    const wrong = (at: number): number => (at % 2 === 0 ? (at + 1) % 3 : at % 3);
    const { score, examples } = await around(pictures('shown', 90), pictures('asks', 30, { labelOf: wrong }));
    deepEqual([score.value, score.rows, score.of], [0.5, 30, 'test pictures']);
    ok(score.interval!.low > 0.15 && examples.every(({ id }) => id.startsWith('asks-')), JSON.stringify(score));
  });

  it('accuse nobody where the features hardly tell labels apart', async () => {
    const { score } = await around(pictures('shown', 90, { spread: 30 }), pictures('asks', 30, { spread: 30 }));
    ok(score.value === null || score.interval!.low < 0.15, JSON.stringify(score));
    // Of labels by lot no neighbourhood of seven alike says anything.
    const random = seededRandom(5, 1);
    const byLot = pictures('shown', 90, { spread: 30, labelOf: () => random.below(3) });
    const { score: none, examples } = await around(byLot, pictures('asks', 6, { spread: 30 }));
    ok(none.value === null || none.interval!.low < 0.15, JSON.stringify(none));
    ok(examples.length <= 5);
  });

  it('are not looked for among labels that cannot fill a neighbourhood', async () => {
    const { score, examples } = await around(pictures('shown', 30), pictures('asks', 30));
    match(score.notApplicable ?? '', /^of 0 gallery pictures with ten others of their label only 0 have neighbours/);
    deepEqual(examples, []);
  });

  it('leave the asking picture out, and rank the rest of the gallery for it', async () => {
    const gallery = pictures('shown', 6, { spread: 0.01 });
    const { found } = await around(gallery, { ...gallery, ids: ['shown-0', 'b', 'c', 'd', 'e', 'f'] });
    // Two of each label: the other one comes first.
    deepEqual([...found.gallery.averagePrecision], [1, 1, 1, 1, 1, 1]);
    equal(
      found.gallery.shares
        .slice(0, 3)
        .reduce((sum, share) => sum + share, 0)
        .toFixed(3),
      '0.500',
    );
    equal(
      found.test.shares
        .slice(0, 3)
        .reduce((sum, share) => sum + share, 0)
        .toFixed(3),
      '0.500',
      'by its id',
    );
    equal(
      found.test.shares
        .slice(3, 6)
        .reduce((sum, share) => sum + share, 0)
        .toFixed(3),
      '0.600',
    );
  });
});
