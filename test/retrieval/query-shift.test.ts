import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { galleryInMemory } from '../../activities/retrieval/gallery.ts';
import { queryShift } from '../../activities/retrieval/query-shift.ts';
import type { Pictures } from '../../activities/validation/unlike-pictures.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';

const DIMENSION = 64;
const LABELS = 10;
const { signal } = new AbortController();

interface Made {
  /** Pictures that are kin: a burst, or a scene. */
  readonly burst?: number;
  /** Further along one direction. */
  readonly away?: number;
  readonly labels?: number;
}

/** Pictures of one kind: a label, of which each burst is one draw and each of its pictures a smaller one. */
const kind = (seed: number) => {
  const random = seededRandom(seed, 5);
  const normal = (): Float32Array => Float32Array.from({ length: DIMENSION }, () => random.normal());
  const centres = Array.from({ length: LABELS }, normal);
  return (count: number, { burst = 1, away = 0, labels = LABELS }: Made = {}): Pictures => {
    const embeddings = new Float32Array(count * DIMENSION);
    const classes = new Int32Array(count);
    let scene = normal();
    let label = 0;
    for (let row = 0; row < count; row++) {
      if (row % burst === 0) {
        label = random.below(labels);
        const drawn = normal();
        scene = centres[label]!.map((number, at) => number + drawn[at]! + (at === 0 ? away : 0));
      }
      classes[row] = label;
      embeddings.set(
        scene.map((number) => number + 0.3 * random.normal()),
        row * DIMENSION,
      );
    }
    return { embeddings, classes };
  };
};
const galleryOf = ({ embeddings, classes }: Pictures) =>
  galleryInMemory({
    ids: Array.from(classes, (_, row) => `picture ${row}`),
    classes,
    labels: Array.from({ length: LABELS }, (_, label) => `label ${label}`),
    embeddings,
  });
const judged = async (gallery: Pictures, queries: Pictures, seed = 3) => {
  const { score, surest } = await queryShift(galleryOf(gallery), queries, { seed, signal });
  const limit = RetrievalGatesSchema.parse({}).domainShift;
  return { surest, ...judgeGate('domainShift', RETRIEVAL_GATE_TABLE.domainShift, score, limit) };
};
const joined = (...parts: readonly Pictures[]): Pictures => ({
  embeddings: Float32Array.from(parts.flatMap(({ embeddings }) => [...embeddings])),
  classes: Int32Array.from(parts.flatMap(({ classes }) => [...classes])),
});

describe('the domain shift of a finder', () => {
  it('is no matter of where queries of one kind lie, nor of how long their embeddings are', async () => {
    const made = kind(7);
    const [gallery, alike] = [made(800), made(200)];
    const { score, verdict } = await judged(gallery, alike);
    deepEqual([verdict, score.rows], ['pass', 200]);
    ok(score.interval!.low < 0.5 && score.interval!.high > 0.5, JSON.stringify(score));
    // The gallery's are of length 1: what search never sees tells nothing.
    const long = await judged(gallery, { ...alike, embeddings: alike.embeddings.map((number) => 64 * number) });
    deepEqual([long.verdict, long.score], ['pass', score]);
  });

  it('is not told of bursts, of which one half of the test would know the other', async () => {
    for (const burst of [3, 5]) {
      for (const seed of [1, 2, 3]) {
        const made = kind(seed);
        const queries = made(300, { burst });
        const { verdict, score } = await judged(made(900, { burst }), queries, seed);
        equal(verdict, 'pass', `bursts of ${burst}: ${JSON.stringify(score)}`);
        ok(score.rows <= 300 / burst + 1, 'one of each burst at most');
        // Nor where the gallery has none.
        equal((await judged(made(600), queries, seed)).verdict, 'pass');
      }
    }
  });

  it('is not told of another mix of labels', async () => {
    for (const seed of [1, 2, 3]) {
      const made = kind(seed);
      const { verdict, score } = await judged(made(800), made(200, { labels: 5 }), seed);
      deepEqual([verdict, score.rows], ['pass', 200]);
    }
  });

  it('is told of queries from elsewhere, in bursts, too, which are named the surest first, whatever sample was drawn', async () => {
    const made = kind(7);
    const gallery = made(1500);
    const { verdict, score, surest } = await judged(gallery, made(200, { away: 9 }));
    equal(verdict, 'warn', JSON.stringify(score));
    ok(score.interval!.low > 0.7, JSON.stringify(score));
    equal(surest.length, 5);
    const bursts = await judged(gallery, made(600, { burst: 3, away: 9 }));
    equal(bursts.verdict, 'warn', JSON.stringify(bursts.score));
    // More than are looked at: those from elsewhere are the last half.
    const many = await judged(gallery, joined(made(600), made(600, { away: 9 })));
    equal(many.verdict, 'warn', JSON.stringify(many.score));
    ok(many.surest.length === 5 && many.surest.every((place) => place >= 600 && place < 1200), String(many.surest));
  });

  it('is off where fewer than twenty pairs are left, and says how many there were', async () => {
    const made = kind(7);
    const few = await judged(made(800), made(19, { away: 9 }));
    equal(few.verdict, 'off');
    match(few.reason, /19 pairs .* are too few to tell \(20 are needed\): 19 could be drawn/);
    const bursts = await judged(made(800), made(100, { burst: 10 }));
    equal(bursts.verdict, 'off');
    match(bursts.reason, /10 pairs .*: \d+ could be drawn, of which 10 test pictures and \d+ of the gallery/);
  });
});
