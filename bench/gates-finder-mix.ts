/**
 * `labelErrors` and `galleryTestGap` of a finder where the gallery has another mix of labels than the test pictures, at their default
 * limits: ten labels, each a direction by lot with normal noise three times as wide (or as it is said) about it, in spaces of 16 and 32 numbers, drawn anew each
 * time. Nothing differs between the sides but the mix; with labels as they are, and with three in ten wrong: of both sides, or of test
 * pictures alone. `plain`: what the difference of means over unlike mixes says.
 *
 *   npx tsx bench/gates-finder-mix.ts [draws = 20] [numbers = 16,32] [noise = 3]
 */
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { labelErrorsAround } from '../activities/retrieval/neighbour-labels.ts';
import { lookAround } from '../activities/retrieval/neighbourhoods.ts';
import { defined, differenceInOneMix } from '../activities/retrieval/one-mix.ts';
import type { Score } from '../activities/contract/measures.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { meanDifference } from '../activities/validation/multi-label/scores.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { toUnitLength } from '../inference/retrieval/nearest.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { finderClaims } from './gates/claims.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 20);
const SPACES = (process.argv[3] ?? '16,32').split(',').map(Number);
/** How wide the noise is beside the directions. */
const NOISE = Number(process.argv[4] ?? 3);
const LONG_TAIL = [400, 80, 40, 20, 15, 15, 10, 10, 5, 5];
const EVEN = LONG_TAIL.map(() => 60);
const labels = LONG_TAIL.map((_, label) => `label ${label}`);
const limits = RetrievalGatesSchema.parse({});
const options = { seed: 3, signal: new AbortController().signal, progress: () => undefined };

const MIXES = {
  'long tail, test even': [LONG_TAIL, LONG_TAIL.map(() => 30)],
  'even, test with a long tail': [EVEN, LONG_TAIL.map((count) => Math.ceil(count / 2))],
  'long tail, test alike': [LONG_TAIL, LONG_TAIL.map((count) => Math.ceil(count / 2))],
  'both even': [EVEN, LONG_TAIL.map(() => 30)],
} as const;
const WRONG = { none: [0, 0], 'three in ten of test pictures': [0, 0.3], 'three in ten of both': [0.3, 0.3] } as const;

for (const dimension of SPACES) {
  for (const [kind, [wrongShown, wrongAsking]] of Object.entries(WRONG)) {
    for (const [mix, [shown, asking]] of Object.entries(MIXES)) {
      const spoke = new Map<string, number>();
      const claims = finderClaims(limits.labelErrors);
      const tell = (name: string, gate: 'labelErrors' | 'galleryTestGap', score: Score): void => {
        const { verdict } = judgeGate(gate, RETRIEVAL_GATE_TABLE[gate], score, limits[gate]);
        spoke.set(name, (spoke.get(name) ?? 0) + Number(verdict === 'warn' || verdict === 'fail'));
      };
      for (let draw = 0; draw < DRAWS; draw++) {
        const random = seededRandom(draw, 5);
        const normals = () => Array.from({ length: dimension }, () => random.normal());
        const directions = labels.map(normals);
        const pictures = (name: string, counts: readonly number[], wrong: number) => {
          const truly = counts.flatMap((count, label) => Array.from({ length: count }, () => label));
          const numbers = truly.flatMap((label) => normals().map((by, i) => directions[label]![i]! + NOISE * by));
          return {
            ids: truly.map((_, at) => `${name}-${at}`),
            classes: Int32Array.from(truly, (label) =>
              random.below(100) < 100 * wrong ? (label + 1 + random.below(labels.length - 1)) % labels.length : label,
            ),
            embeddings: toUnitLength(Float32Array.from(numbers), dimension),
          };
        };
        const gallery = galleryInMemory({ ...pictures('shown', shown, wrongShown), labels });
        const around = await lookAround(gallery, pictures('asks', asking, wrongAsking), labels.length, options);
        tell('labelErrors', 'labelErrors', labelErrorsAround(around, labels).score);
        if (kind === 'none') await claims.hold(around, labels.length, draw);
        const [own, theirs] = [around.gallery, around.test].map(({ averagePrecision, classes }) =>
          defined({ figures: averagePrecision, classes }),
        );
        tell('galleryTestGap', 'galleryTestGap', differenceInOneMix(own!, theirs!));
        tell('plain', 'galleryTestGap', meanDifference(own!.figures, theirs!.figures));
      }
      const told = [...spoke].map(([name, count]) => `${name} ${exactly(count, DRAWS)}`).join(', ');
      console.log(`${dimension} numbers, ${mix}, ${kind} wrong: ${told}`);
      if (kind === 'none') claims.print(`${dimension} numbers, ${mix}`);
    }
  }
}
