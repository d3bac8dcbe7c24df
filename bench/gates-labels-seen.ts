/**
 * What `labelErrors` of a classifier says of the wrong labels that it sees, held against what it sees: real texts, the small encoder
 * frozen, draws as of bench/gates.ts. Where a draw says from which share on, that share of its training labels is made wrong by other
 * lots, in both ways, and two thirds of it. Of finders bench/gates-finder-labels.ts and bench/gates-finder-mix.ts do the same.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-labels-seen.ts [draws a data set = 10] [first draw = 9100] [sets = banking77,clinc150,sst2,trec6]
 */
import { findLabelErrors } from '../activities/validation/label-quality.ts';
import { mislabellings } from '../activities/validation/planted-errors.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { Claims } from './gates/claims.ts';
import { cleanDraw, Embedder } from './gates/draw.ts';
import { benchEncoder, rowsOf } from './gates/real-rows.ts';

const DRAWS = Number(process.argv[2] ?? 10);
const FIRST = Number(process.argv[3] ?? 9100);
const SETS = (process.argv[4] ?? 'banking77,clinc150,sst2,trec6').split(',');
const limit = GatesSchema.parse({}).labelErrors;
const embedder = new Embedder(await benchEncoder());
const sets = await Promise.all(
  SETS.map(async (name) => ({ name, rows: await rowsOf(name, 'report'), claims: new Claims(limit) })),
);

for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
  for (const { name, rows, claims } of sets) {
    const { train, classes, l2 } = await cleanDraw(embedder, rows, seed);
    const settings = { dimension: embedder.dimension, classes, seed, l2 };
    const random = seededRandom(seed, 91);
    const [byMix, evenly] = mislabellings(train.classes).map((wrong) => async (_: string, share: number) => {
      const given = wrong(share, random);
      return (await findLabelErrors({ ...train, classes: given }, settings, { planting: false })).score;
    });
    const { score } = await findLabelErrors(train, settings);
    await claims.hold(score, { 'by the mix': byMix!, evenly: evenly! });
    claims.print(`${name}, ${train.classes.length} rows, ${seed - FIRST + 1} draws`);
  }
}
await embedder.release();
