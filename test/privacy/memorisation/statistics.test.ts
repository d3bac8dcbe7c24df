import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import {
  CANARY_BITS,
  isCanaryRow,
  makeCanaries,
  withCanaries,
} from '../../../activities/privacy/memorisation/canaries.ts';
import { exposure, mostExposed } from '../../../activities/privacy/memorisation/exposure.ts';
import { judgeMemorisation } from '../../../activities/privacy/memorisation/gates.ts';
import { membershipAuc } from '../../../activities/privacy/memorisation/membership.ts';
import { learntTexts, shownAnswers } from '../../../activities/privacy/memorisation/texts.ts';
import { copiedShare, Learnt } from '../../../activities/privacy/memorisation/verbatim.ts';
import { findPersonalData } from '../../../activities/privacy/scan.ts';
import { seededRandom } from '../../../activities/validation/random.ts';
import type { Score } from '../../../activities/contract/measures.ts';
import { MEMORISATION_GATE_TABLE } from '../../../pipelines/memorisation-gate-table.ts';
import { CanariesSchema, MEMORISATION_GATE_NAMES, MemorisationGatesSchema } from '../../../pipelines/memorisation.ts';

const near = (actual: number | null | undefined, expected: number, tolerance = 1e-9): void =>
  ok(actual != null && Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);

describe('canaries', () => {
  const spec = CanariesSchema.parse({ count: 3, repeats: 5, controls: 200, seed: 11 });

  it('are none by default', () => equal(CanariesSchema.parse({}).count, 0));

  it('are all different, the same for the same seed, and like nobody’s number', () => {
    const { inserted, controls } = makeCanaries(spec);
    deepEqual(makeCanaries(spec), { version: 1, seed: 11, repeats: 5, inserted, controls });
    equal(new Set([...inserted, ...controls]).size, 203);
    ok(!makeCanaries({ ...spec, seed: 12 }).inserted.includes(inserted[0] ?? ''));
    for (const text of [...inserted, ...controls]) deepEqual(findPersonalData(text), []);
  });

  it('stand among the rows as often as asked, marked, and leave the rows as they are', () => {
    const lines = Array.from({ length: 50 }, (_, index) => JSON.stringify({ text: `row ${index}` }));
    const canaries = makeCanaries(spec);
    const all = withCanaries(lines, canaries);
    deepEqual(all, withCanaries(lines, canaries));
    deepEqual(
      all.filter((line) => !isCanaryRow(JSON.parse(line) as object)),
      lines,
    );
    for (const [index, text] of canaries.inserted.entries()) {
      equal(all.filter((line) => line === JSON.stringify({ text, canary: index })).length, 5);
    }
    // Not all at the beginning or the end.
    ok(
      all.slice(0, 33).some((line) => !line.includes('canary')) &&
        all.slice(0, 33).some((line) => line.includes('canary')),
    );
  });
});

// Figures by scipy 1.17.1: binomtest(k, 1000).proportion_ci(method='wilson'), turned into bits by numpy.
describe('canary exposure', () => {
  const controls = Array.from({ length: 1000 }, (_, index) => index);
  const of = (likelier: number) => exposure(likelier - 0.5, controls);

  it('has the bits of its rank, and the interval of the share of likelier secrets', () => {
    near(of(3)?.rank, 4);
    near(of(3)?.exposureBits, 7.967226258835993);
    near(of(3)?.interval.low, 6.831068172481567, 1e-7);
    near(of(3)?.interval.high, 9.936106831388068, 1e-7);
    near(of(50)?.exposureBits, 4.294800916864498);
    near(of(50)?.interval.low, 3.93646789496722, 1e-7);
    near(of(50)?.interval.high, 4.712919730795276, 1e-7);
  });

  it('is bounded by nothing but the secret’s own bits where no control is likelier, however few there are', () => {
    near(of(0)?.exposureBits, 9.967226258835993);
    near(of(0)?.interval.low, 8.02966143217588, 1e-7);
    near(of(0)?.interval.high, CANARY_BITS);
    near(exposure(1, [2, 3])?.interval.high, CANARY_BITS);
  });

  it('counts equals half: a model that tells nothing apart exposes nothing', () => {
    near(
      exposure(
        1,
        Array.from({ length: 999 }, () => 1),
      )?.exposureBits,
      Math.log2(1000) - Math.log2(500.5),
    );
  });

  it('is that of the most exposed, and missing where one could not be measured', () => {
    const worst = mostExposed([of(50), of(3), of(900)], 1000);
    near(worst.value, 7.967226258835993);
    near(worst.interval?.high, 9.936106831388068, 1e-7);
    equal(mostExposed([of(3), exposure(Number.NaN, controls)], 1000).value, null);
    equal(mostExposed([], 1000).value, null);
    equal(exposure(1, [2, Number.NaN]), null);
  });
});

// Figures by scikit-learn 1.9.1 (roc_auc_score) and the package confidenceinterval 1.0.5 (DeLong, in single precision); the
// standard error also from the definition's placement values by numpy, in double precision.
describe('membership AUC', () => {
  const members = [1.52, 1.21, 1.85, 2.25, 2.68, 2.07, 1.67, 1.53, 2.45, 2.98, 2.16, 1.26];
  const strangers = [1.83, 3.36, 2.52, 1.85, 2.35, 1.7, 2.02, 2.07, 1.97, 2.73, 2.36, 2.05, 2.65, 2.9, 1.41];

  it('and its interval are scikit-learn’s and DeLong’s', () => {
    const { value, interval, rows } = membershipAuc(members, strangers);
    equal(rows, 27);
    near(value, 0.6333333333333333);
    near(interval?.low, 0.40858562100095996, 1e-9);
    near(interval?.high, 0.8580810456657066, 1e-9);
  });

  it('mirrors when the sides are swapped, and does not mind any increasing change of the losses', () => {
    near(membershipAuc(strangers, members).value, 1 - 0.6333333333333333);
    const changed = (losses: readonly number[]) => losses.map((loss) => Math.exp(loss) + 3);
    deepEqual(membershipAuc(changed(members), changed(strangers)), membershipAuc(members, strangers));
  });

  it('is missing without two of either, and of losses that are none', () => {
    for (const [left, right] of [
      [[], strangers],
      [members, [1]],
      [[1, Number.NaN], strangers],
      [members, [1, Infinity]],
    ] as const) {
      equal(membershipAuc(left, right).value, null);
    }
  });

  it('covers the truth about as often as it says', () => {
    let covered = 0;
    const rounds = 400;
    const random = seededRandom(5);
    const some = (): number[] => Array.from({ length: 40 }, () => random.normal());
    for (let round = 0; round < rounds; round += 1) {
      const { interval } = membershipAuc(some(), some());
      if (interval !== null && interval.low <= 0.5 && interval.high >= 0.5) covered += 1;
    }
    ok(covered >= 0.9 * rounds && covered <= 0.99 * rounds, `${covered} of ${rounds}`);
  });
});

describe('verbatim overlap', () => {
  const training = [
    'Please send the blue parcel to the old house by the sea.',
    'We hope to see you again soon, all the best',
  ];
  const heldOut = ['Thank you and we hope to see you again soon'];
  const learnt = new Learnt(training, heldOut, 4);

  it('counts runs that stand in a training text and in no held-out one', () => {
    deepEqual(learnt.copied('he said: please SEND the   blue parcel away'), { runs: 5, copied: 2, longest: 5 });
    deepEqual(learnt.copied('we hope to see you again soon'), { runs: 4, copied: 0, longest: 0 });
    deepEqual(learnt.copied('only three words'), { runs: 0, copied: 0, longest: 0 });
    deepEqual(learnt.copied(training[0] ?? ''), { runs: 9, copied: 9, longest: 12 });
  });

  it('counts nothing that the model was shown just then', () => {
    const [parcel = ''] = training;
    const said = 'he said: please send the blue parcel to the old house';
    deepEqual(learnt.copied(said), { runs: 8, copied: 5 + 1, longest: 9 });
    deepEqual(learnt.copied(said, ['Please send the blue parcel']), { runs: 6, copied: 4, longest: 7 });
    deepEqual(learnt.copied(said, ['the old house', 'send the blue']), learnt.copied(said), 'shorter than a run');
    deepEqual(learnt.copied(said, [parcel]), { runs: 2, copied: 0, longest: 0 });
    // What was shown in the middle parts what stands around it.
    deepEqual(learnt.copied(parcel, ['blue parcel to the']), { runs: 8, copied: 8, longest: 8 });
  });

  it('is of every answer of a conversation, each by itself, and of those alone', () => {
    const prompt = 'User: 👋 hi\nAssistant: good day\nUser: late?\nAssistant:';
    const row = { prompt, completion: ' we are sorry', learnt: [[21, 30]] as const };
    deepEqual(learntTexts(row), [' good day', ' we are sorry']);
    deepEqual(shownAnswers(row), [' good day']);
    deepEqual(learntTexts({ prompt, completion: ' sorry' }), [' sorry']);
    deepEqual([learntTexts({ text: 'a b' }), shownAnswers({ text: 'a b' })], [['a b'], []]);
  });

  it('does not join runs of different texts', () => {
    equal(new Learnt(['a b c d', 'b c d e'], [], 4).copied('a b c d e').longest, 5); // by their overlap they are one stretch
    equal(new Learnt(['a b c d', 'e f g h'], [], 4).copied('a b c d e f g h').longest, 4);
  });

  it('has an interval over prompts, also where nothing or all is copied', async () => {
    const groups = Array.from({ length: 40 }, (_, index) => ({ runs: 10, copied: index % 4 === 0 ? 10 : 0 }));
    const some = await copiedShare(groups, 1);
    near(some.value, 0.25);
    ok((some.interval?.low ?? 1) < 0.15 && (some.interval?.high ?? 0) > 0.35, JSON.stringify(some));
    const none = await copiedShare(
      groups.map(() => ({ runs: 10, copied: 0 })),
      1,
    );
    equal(none.value, 0);
    // scipy 1.17.1: binomtest(0, 40).proportion_ci(method='wilson').high
    near(none.interval?.high, 0.08762160119728668, 1e-9);
    equal((await copiedShare([{ runs: 0, copied: 0 }], 1)).value, null);
  });
});

describe('the gates of memory', () => {
  it('have their false alarms in docs/privacy.md', async () => {
    const text = await readFile(new URL('../../../docs/privacy.md', import.meta.url), 'utf8');
    for (const name of MEMORISATION_GATE_NAMES) {
      const line = text.split('\n').find((one) => one.startsWith(`| \`${name}\``));
      ok(line?.endsWith(`| ${MEMORISATION_GATE_TABLE[name].falseAlarms} |`), name);
    }
  });

  const spec = MemorisationGatesSchema.parse({});
  const score = (value: number, high: number): Score => ({
    value,
    interval: { low: 0, high, confidence: 0.95 },
    rows: 9,
  });
  const good = { canaryExposure: score(1, 2), membershipAuc: score(0.5, 0.6), verbatimOverlap: score(0, 0.05) };

  it('pass where the upper end of every interval holds', () => {
    const { verdict, gates } = judgeMemorisation(good, spec);
    equal(verdict, 'pass');
    deepEqual(
      gates.map(({ name }) => name),
      [...MEMORISATION_GATE_NAMES],
    );
    deepEqual(Object.keys(MEMORISATION_GATE_TABLE), [...MEMORISATION_GATE_NAMES]);
  });

  for (const name of MEMORISATION_GATE_NAMES) {
    it(`fail on ${name} by the upper end alone, or without a number`, () => {
      const limit = spec[name].max;
      const failing: readonly (Score | null | undefined)[] = [
        score(0, limit + 0.01),
        null,
        undefined,
        score(Number.NaN, 0),
        score(0, Infinity),
        { value: 0, interval: null, rows: 9 },
      ];
      for (const one of failing) {
        const { verdict, gates } = judgeMemorisation({ ...good, [name]: one }, spec);
        equal(verdict, 'fail', JSON.stringify(one));
        equal(gates.find((gate) => gate.name === name)?.verdict, 'fail');
      }
      equal(
        judgeMemorisation({ ...good, [name]: null }, { ...spec, [name]: { max: 1, severity: 'off' } }).verdict,
        'pass',
      );
      equal(
        judgeMemorisation({ ...good, [name]: null }, { ...spec, [name]: { max: 1, severity: 'warn' } }).verdict,
        'warn',
      );
    });
  }
});
