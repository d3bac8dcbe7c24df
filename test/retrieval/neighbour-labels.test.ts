import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { Score } from '../../activities/contract/measures.ts';
import { galleryInMemory } from '../../activities/retrieval/gallery.ts';
import { labelErrorsAround, plantedAround } from '../../activities/retrieval/neighbour-labels.ts';
import { lookAround } from '../../activities/retrieval/neighbourhoods.ts';
import { withSmallestSeen } from '../../activities/retrieval/smallest-seen.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { mislabellings, sharesSeen } from '../../activities/validation/planted-errors.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';

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
    const idOf = (row: number): string => `shown-${row}`;
    deepEqual([...found.gallery.nearest[0]!].map(idOf).includes('shown-0'), false);
    equal(found.gallery.nearest[0]!.length, 5);
    equal([...found.test.nearest[0]!].map(idOf).includes('shown-0'), false, 'by its id');
    equal(found.test.nearest[1]!.length, 6);
  });
});

describe('wrong labels that are planted into a finder’s pictures', () => {
  const verdictOf = (score: Score) =>
    withSmallestSeen(
      judgeGate('labelErrors', RETRIEVAL_GATE_TABLE.labelErrors, score, RetrievalGatesSchema.parse({}).labelErrors),
      score,
    );
  const plantedInto = async (gallery: ReturnType<typeof pictures>, test: ReturnType<typeof pictures>) => {
    const { found, score } = await around(gallery, test);
    return { found, score: { ...score, planted: await plantedAround(found, LABELS.length, { seed: 3 }) } };
  };

  it('are seen where neighbours are witnesses: the gate passes and says from which share on', async () => {
    const { found, score } = await plantedInto(pictures('shown', 300), pictures('asks', 150));
    const gate = verdictOf(score);
    equal(gate.verdict, 'pass', gate.reason);
    match(
      gate.reason,
      /planted by lot those below about 0\.\d+ into gallery and test pictures, and those below about 0\.\d+ into test pictures alone may not be seen$/,
    );
    const least = sharesSeen(score.planted[0]!, gate.threshold)!.from;
    ok(least > 0.15 && least < 0.3, `${least}`);
    // Other lots than those that were planted.
    let caught = 0;
    for (let draw = 0; draw < 20; draw++) {
      const random = seededRandom(draw, 90);
      const [shown, asks] = [found.galleryClasses, found.test.classes].map((classes) =>
        mislabellings(classes)[0]!(least, random),
      );
      const relabelled = { ...found, galleryClasses: shown!, test: { ...found.test, classes: asks! } };
      caught += Number(verdictOf(labelErrorsAround(relabelled, LABELS).score).verdict === 'warn');
    }
    ok(caught >= 17, `${caught} of 20`);
  });

  it('let the gate pass where most of them would be seen, though not nearly all', async () => {
    const { score } = await plantedInto(pictures('shown', 120, { spread: 0.5 }), pictures('asks', 30, { spread: 0.5 }));
    const gate = verdictOf(score);
    equal(gate.verdict, 'pass', gate.reason);
    match(
      gate.reason,
      /planted by lot any share into gallery and test pictures \(seen four times in five from about 0\.2\d to 0\.\d+\)/,
    );
  });

  it('are not seen where few pictures have neighbours that agree: nothing passes there', async () => {
    const { score } = await plantedInto(pictures('shown', 60, { spread: 0.5 }), pictures('asks', 30, { spread: 0.5 }));
    const gate = verdictOf(score);
    equal(gate.verdict, 'off', gate.reason);
    match(
      gate.reason,
      /^labelErrors could not judge these labels: .* a share of 0\.3 would not be seen four times in five/,
    );
  });
});
