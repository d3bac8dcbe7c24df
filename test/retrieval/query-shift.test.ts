import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { galleryInMemory } from '../../activities/retrieval/gallery.ts';
import { queryShift } from '../../activities/retrieval/query-shift.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';

const DIMENSION = 16;
const options = { seed: 3, signal: new AbortController().signal };
const random = seededRandom(7, 5);
/** Pictures of one kind, further along one direction by `away`. */
const made = (count: number, away = 0): Float32Array =>
  Float32Array.from({ length: count * DIMENSION }, (_, at) => random.normal() + (at % DIMENSION === 0 ? away : 1));
const gallery = galleryInMemory({
  ids: Array.from({ length: 1500 }, (_, row) => `picture ${row}`),
  classes: new Int32Array(1500),
  labels: ['any'],
  embeddings: made(1500),
});
const judged = async (queries: Float32Array) => {
  const { score, surest } = await queryShift(gallery, queries, options);
  const limit = RetrievalGatesSchema.parse({}).domainShift;
  return { surest, ...judgeGate('domainShift', RETRIEVAL_GATE_TABLE.domainShift, score, limit) };
};

describe('the domain shift of a finder', () => {
  it('is no matter of where queries of one kind lie, nor of how long their embeddings are', async () => {
    const alike = made(200);
    const { score, verdict } = await judged(alike);
    deepEqual([verdict, score.rows], ['pass', 200]);
    ok(score.interval!.low < 0.5 && score.interval!.high > 0.5, JSON.stringify(score));
    // The gallery's are of length 1: what search never sees tells nothing.
    const long = await judged(alike.map((number) => 64 * number));
    deepEqual([long.verdict, long.score], ['pass', score]);
  });

  it('is told of queries from elsewhere, which are named the surest first, whatever sample was drawn', async () => {
    const { verdict, score, surest } = await judged(made(60, 9));
    equal(verdict, 'warn');
    ok(score.interval!.low > 0.8, JSON.stringify(score));
    equal(surest.length, 5);
    // More than are looked at: those from elsewhere are the last third.
    const many = await judged(Float32Array.from([...made(1000), ...made(500, 9)]));
    deepEqual([many.verdict, many.score.rows], ['warn', 1000]);
    ok(
      many.surest.every((place) => place >= 1000 && place < 1500),
      String(many.surest),
    );
  });

  it('is off where there are fewer than twenty queries', async () => {
    const { verdict, reason } = await judged(made(19, 9));
    equal(verdict, 'off');
    match(reason, /19 rows are too few/);
  });
});
