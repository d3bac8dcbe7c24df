import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { Score } from '../../activities/contract/measures.ts';
import { measureAttack, type Attacked } from '../../activities/validation/attack-measures.ts';
import { judgeGate, judgeGates } from '../../activities/validation/gates.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { ImageGatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';

const stands: Attacked = { label: 'a', clean: 'a', fgsm: 'a', pgd: 'a', gradient: true };
const rows = (...some: readonly (readonly [count: number, change: Partial<Attacked>])[]): Attacked[] =>
  some.flatMap(([count, change]) => Array.from({ length: count }, () => ({ ...stands, ...change })));

describe('the measure of an attack', () => {
  it('is the share of right answers that stay right, with the interval of so many', () => {
    const { measures, accuracy } = measureAttack(
      rows([12, {}], [6, { pgd: 'b' }], [2, { fgsm: 'b', pgd: 'b' }], [5, { clean: 'b', fgsm: 'a', pgd: 'a' }]),
    );
    const { fgsmRobustness: one, pgdRobustness: several } = measures;
    deepEqual([one.value, one.rows, several.value, several.rows], [0.9, 20, 0.6, 20]);
    // statsmodels.stats.proportion.proportion_confint(12, 20, method='wilson')
    ok(Math.abs(several.interval!.low - 0.3865815) < 1e-6 && Math.abs(several.interval!.high - 0.7811935) < 1e-6);
    deepEqual([accuracy.value, accuracy.rows], [0.8, 25]);
  });

  it('counts an answer whose loss no pixel changes as lost, and says how many there are', () => {
    const { measures, withoutGradient } = measureAttack(rows([10, { gradient: false }], [10, {}]));
    deepEqual([measures.fgsmRobustness.value, measures.pgdRobustness.value, withoutGradient], [0.5, 0.5, 10]);
    equal(measureAttack(rows([3, { gradient: false, clean: 'b' }], [1, {}])).withoutGradient, 0);
  });

  it('is no number where no answer is right, and the gate fails', () => {
    const { measures } = measureAttack(rows([5, { clean: 'b' }]));
    deepEqual(measures.pgdRobustness, { value: null, interval: null, rows: 0 });
    const gates = ImageGatesSchema.parse({ pgdRobustness: {} });
    const { verdict, reason } = judged('pgdRobustness', measures.pgdRobustness, gates);
    deepEqual([verdict, /a gate without its number fails/.test(reason)], ['fail', true]);
  });
});

describe('the gates of an attack', () => {
  it('are off with the reason unless a definition names them, and fail then where nothing was measured', () => {
    const unnamed = judged('fgsmRobustness', undefined, ImageGatesSchema.parse({}));
    equal(unnamed.verdict, 'off');
    match(unnamed.reason, /fgsmRobustness was not measured: the definition does not ask for it/);
    equal(judged('fgsmRobustness', undefined, ImageGatesSchema.parse({ fgsmRobustness: {} })).verdict, 'fail');
    equal(judged('pgdRobustness', undefined, ImageGatesSchema.parse({ fgsmRobustness: {} })).verdict, 'off');
  });

  it('hold the lower end of the interval to the threshold', () => {
    const gates = ImageGatesSchema.parse({ pgdRobustness: { min: 0.5 } });
    const of = (kept: number) => measureAttack(rows([kept, {}], [200 - kept, { pgd: 'b' }])).measures.pgdRobustness;
    deepEqual(
      [113, 114].map((kept) => judged('pgdRobustness', of(kept), gates).verdict),
      ['fail', 'pass'],
    );
  });

  it('fail a model that keeps 60 % of 200 as often as the table says, and pass one at the threshold one time in forty', () => {
    const random = seededRandom(11);
    const [limit, draws] = [ImageGatesSchema.parse({ pgdRobustness: {} }).pgdRobustness, 4000];
    const passes = (share: number): number => {
      let passed = 0;
      for (let draw = 0; draw < draws; draw++) {
        const drawn = rows([200, {}]).map((row) => (random.uniform() < share ? row : { ...row, pgd: 'b' }));
        const { pgdRobustness } = measureAttack(drawn).measures;
        if (judgeGate('pgdRobustness', GATE_TABLE.pgdRobustness, pgdRobustness, limit).verdict === 'pass') passed++;
      }
      return passed / draws;
    };
    // Exactly, by the binomial distribution: 0.826, 0.992 and 0.028.
    ok(Math.abs(passes(0.6) - 0.826) < 0.02);
    ok(Math.abs(passes(0.65) - 0.992) < 0.006);
    ok(Math.abs(passes(0.5) - 0.028) < 0.009);
    match(
      GATE_TABLE.fgsmRobustness.falseAlarms,
      /60 % fails in 17 of 100 draws, one that keeps 65 % in 1,.*passes in 3$/,
    );
  });
});

function judged(
  name: 'fgsmRobustness' | 'pgdRobustness',
  score: Score | undefined,
  gates: ReturnType<typeof ImageGatesSchema.parse>,
) {
  const measures = score === undefined ? {} : { [name]: score };
  return judgeGates(measures, gates).gates.find((gate) => gate.name === name)!;
}
