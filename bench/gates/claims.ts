/**
 * What `labelErrors` claims to see, held against what it sees: where a draw says that wrong labels from a share on are seen, that share of
 * its labels is made wrong, by other lots, and the gate is asked.
 */
import type { PlantedErrors, Score } from '../../activities/contract/measures.ts';
import { labelErrorsAround, plantedAround } from '../../activities/retrieval/neighbour-labels.ts';
import type { AroundPictures } from '../../activities/retrieval/neighbourhoods.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { mislabellings, sharesSeen } from '../../activities/validation/planted-errors.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import type { GatesSpec } from '../../pipelines/definition.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { exactly } from '../support.ts';

type Limit = GatesSpec['labelErrors'];
interface Kind {
  /** What was claimed, a draw. */
  readonly least: number[];
  none: number;
  readonly tried: Map<string, { seen: number; of: number }>;
}

/** Of one kind of rows. */
export class Claims {
  readonly #limit: Limit;
  readonly #verdicts = new Map<string, number>();
  readonly #kinds = new Map<string, Kind>();
  constructor(limit: Limit) {
    this.#limit = limit;
  }

  verdictOf(score: Score): string {
    return judgeGate('labelErrors', GATE_TABLE.labelErrors, score, this.#limit).verdict;
  }

  /** `plant`: the score with a share of the labels made wrong, in each of several ways. */
  async hold(
    clean: Score,
    plant: Readonly<Record<string, (into: string, share: number) => Score | Promise<Score>>>,
  ): Promise<void> {
    const verdict = clean.value === null ? 'nothing measured' : this.verdictOf(clean);
    this.#verdicts.set(verdict, (this.#verdicts.get(verdict) ?? 0) + 1);
    for (const one of clean.planted ?? []) await this.#holdOne(one, plant);
  }

  async #holdOne(one: PlantedErrors, plant: Parameters<Claims['hold']>[1]): Promise<void> {
    const own: Kind = this.#kinds.get(one.into) ?? { least: [], none: 0, tried: new Map() };
    this.#kinds.set(one.into, own);
    const seen = sharesSeen(one, 'max' in this.#limit ? this.#limit.max : 0);
    if (seen === null) {
      own.none++;
      return;
    }
    const share = Math.ceil(100 * seen.from - 1e-9) / 100;
    own.least.push(share);
    for (const [how, make] of Object.entries(plant)) {
      for (const [name, by] of [
        ['', 1],
        [' two thirds of it', 2 / 3],
      ] as const) {
        const tried = own.tried.get(how + name) ?? { seen: 0, of: 0 };
        own.tried.set(how + name, tried);
        tried.of++;
        tried.seen += Number(['warn', 'fail'].includes(this.verdictOf(await make(one.into, by * share))));
      }
    }
  }

  print(name: string): void {
    console.log(
      `${name}: of clean draws ${[...this.#verdicts].map(([verdict, count]) => `${verdict} ${count}`).join(', ')}`,
    );
    for (const [into, { least, none, tried }] of this.#kinds) {
      const sorted = least.toSorted((a, b) => a - b);
      const spread = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].join('–');
      const seen = [...tried].map(([how, { seen: count, of }]) => `${how}: ${exactly(count, of)}`).join('; ');
      console.log(`${name}, ${into}: no share claimed in ${none}, else from ${spread}; seen at it ${seen}`);
    }
  }
}

/** Of a finder. */
export function finderClaims(limit: Limit) {
  const claims = new Claims(limit);
  return {
    print: (name: string) => claims.print(name),
    async hold(around: AroundPictures, labels: number, draw: number): Promise<void> {
      const { score } = labelErrorsAround(around, Array.from({ length: labels }, String));
      const planted = score.value === null ? undefined : await plantedAround(around, labels, { seed: draw });
      const random = seededRandom(draw, 91);
      const relabelled = (into: string, change: (classes: Int32Array) => Int32Array): Score => {
        const changed = {
          ...around,
          galleryClasses: into.includes('gallery') ? change(around.galleryClasses) : around.galleryClasses,
          test: { ...around.test, classes: change(around.test.classes) },
        };
        return labelErrorsAround(changed, Array.from({ length: labels }, String)).score;
      };
      await claims.hold(planted === undefined ? score : { ...score, planted }, {
        'by the mix': (into, share) => relabelled(into, (classes) => mislabellings(classes)[0]!(share, random)),
        evenly: (into, share) => relabelled(into, (classes) => mislabellings(classes)[1]!(share, random)),
      });
    },
  };
}
