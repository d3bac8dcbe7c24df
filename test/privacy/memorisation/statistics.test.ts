import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { isCanaryRow, makeCanaries, withCanaries } from '../../../activities/privacy/memorisation/canaries.ts';
import { exposure, mostExposed } from '../../../activities/privacy/memorisation/exposure.ts';
import { judgeMemorisation } from '../../../activities/privacy/memorisation/gates.ts';
import { aucInterval, membershipAuc, shownAuc } from '../../../activities/privacy/memorisation/membership.ts';
import { learntTexts, shownAnswers } from '../../../activities/privacy/memorisation/texts.ts';
import { copiedShare, Learnt } from '../../../activities/privacy/memorisation/verbatim.ts';
import { findPersonalData } from '../../../activities/privacy/scan.ts';
import { seededRandom } from '../../../activities/validation/random.ts';
import type { Score } from '../../../activities/contract/measures.ts';
import type { GateResult } from '../../../activities/contract/validation.ts';
import { MEMORISATION_GATE_TABLE } from '../../../pipelines/gates/memorisation.ts';
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

describe('canary exposure', () => {
  const controls = Array.from({ length: 1000 }, (_, index) => index);
  const behind = (likelier: number): number => likelier - 0.5;

  it('has the bits of its rank', () => {
    near(exposure(behind(3), controls)?.rank, 4);
    near(exposure(behind(3), controls)?.exposureBits, 7.967226258835993);
    near(exposure(behind(50), controls)?.exposureBits, 4.294800916864498);
    equal(exposure(1, [2, Number.NaN]), null);
  });

  it('counts equals half: a model that tells nothing apart exposes nothing', () => {
    const alike = Array.from({ length: 999 }, () => 1);
    near(exposure(1, alike)?.exposureBits, Math.log2(1000) - Math.log2(500.5));
    equal(mostExposed([1, 1], alike).value, 0);
  });

  // By Python's fractions: 1 − C(N, L + 1) / C(N + k, L + 1) for k canaries of which the likeliest has L of N controls ahead.
  it('of several is that of the most exposed, less what so many are ahead by luck', () => {
    near(mostExposed([behind(3)], controls).value, 7.967226258835994);
    const eight = (likeliest: number) => [900, 800, behind(likeliest), 700, 600, 950, 960, 970];
    near(mostExposed(eight(0), controls).value, 6.977279923499917);
    near(mostExposed(eight(5), controls).value, 4.417407360641496);
    near(mostExposed(eight(6), controls).value, 4.200025245931454);
    near(mostExposed([behind(0), 50, 60, 70], controls.slice(0, 100)).value, 4.700439718141092);
  });

  it('is missing where one could not be measured', () => {
    equal(mostExposed([3, Number.NaN], controls).value, null);
    equal(mostExposed([], controls).value, null);
    equal(mostExposed([1], []).value, null);
  });

  it('accuses canaries that were never told in one run of twenty at most, however many they are', () => {
    const limit = MemorisationGatesSchema.parse({}).canaryExposure.max;
    for (const [count, among] of [
      [1, 1000],
      [1, 100],
      [4, 100],
      [8, 1000],
      [32, 1000],
    ] as const) {
      // The chance that exactly so many controls are ahead of the likeliest canary, and the sum of those that are accused.
      let [none, accused] = [1, 0];
      for (let ahead = 0; ahead <= among; ahead += 1) {
        const losses = [ahead - 0.5, ...Array.from({ length: count - 1 }, () => among)];
        const next = ahead === among ? 0 : (none * (among - ahead)) / (among + count - ahead);
        const { value } = mostExposed(losses, controls.slice(0, among));
        if ((value ?? 0) > limit) accused += none - next;
        none = next;
      }
      ok(accused > 0.02 && accused <= 0.05, `${count} of ${among}: ${accused}`);
    }
  });
});

// The area by scikit-learn 1.9.1 (roc_auc_score); the interval's ends are roots that Python found of the paper's equation.
describe('membership AUC', () => {
  const members = [1.52, 1.21, 1.85, 2.25, 2.68, 2.07, 1.67, 1.53, 2.45, 2.98, 2.16, 1.26];
  const strangers = [1.83, 3.36, 2.52, 1.85, 2.35, 1.7, 2.02, 2.07, 1.97, 2.73, 2.36, 2.05, 2.65, 2.9, 1.41];

  it('is scikit-learn’s, and its interval Newcombe’s', () => {
    const { value, interval, rows } = membershipAuc(members, strangers);
    equal(rows, 27);
    near(value, 0.6333333333333333);
    near(interval?.low, 0.4141423124876565, 1e-9);
    near(interval?.high, 0.8037031569161843, 1e-9);
    near(aucInterval(1, 20, 20).low, 0.898668135763534, 1e-9);
    equal(aucInterval(1, 20, 20).high, 1);
    near(aucInterval(0, 20, 20).high, 1 - 0.898668135763534, 1e-9);
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
    ok(membershipAuc(members, [1]).notApplicable?.includes('12 training texts and 1 held-out'));
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

  it('accuses no model that tells nothing, with few texts neither, and says what so few can show', async () => {
    const random = seededRandom(8);
    const of = (texts: number, known: number): GateResult<string> => {
      const losses = (less: number): number[] => Array.from({ length: texts }, () => random.normal() - less);
      const { gates } = judgeMemorisation(
        { membershipAuc: membershipAuc(losses(known), losses(0)) },
        MemorisationGatesSchema.parse({}),
      );
      return gates.find(({ name }) => name === 'membershipAuc')!;
    };
    const accused = (texts: number, known: number): number =>
      Array.from({ length: 400 }, () => of(texts, known)).filter(({ verdict }) => verdict === 'fail').length;
    for (const texts of [2, 3, 6, 20, 50]) ok(accused(texts, 0) <= 8, `${texts} texts`);
    // An AUC of 0.85.
    ok(accused(50, 1.4657) >= 380);
    match(of(20, 0).reason, /20 texts of each kind show an AUC of 0\.88 or more 95 times in 100/);
    const documentation = await readFile(new URL('../../../docs/privacy.md', import.meta.url), 'utf8');
    deepEqual([of(3, 0).verdict, of(4, 0).verdict, of(5, 0).verdict === 'off'], ['off', 'off', false]);
    match(of(4, 0).reason, /4 texts of each kind are so few that not even a model that tells them all apart is shown/);
    deepEqual([shownAuc(0.6, 4), shownAuc(0.6, 5), shownAuc(0.6, 50)], [null, 1, 0.79]);
    match(documentation, /With four of each or fewer nothing could be shown/);
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
  const score = (low: number, value = low): Score => ({
    value,
    interval: { low, high: 75, confidence: 0.95 },
    rows: 200,
  });
  const good = { canaryExposure: score(1), membershipAuc: score(0.5), verbatimOverlap: score(0) };

  it('pass where nothing is shown, however wide the intervals', () => {
    const { verdict, gates } = judgeMemorisation(good, spec);
    equal(verdict, 'pass');
    deepEqual(
      gates.map(({ name }) => name),
      [...MEMORISATION_GATE_NAMES],
    );
    deepEqual(Object.keys(MEMORISATION_GATE_TABLE), [...MEMORISATION_GATE_NAMES]);
  });

  it('say that few prompts show little', async () => {
    const none = await copiedShare(
      Array.from({ length: 12 }, () => ({ runs: 10, copied: 0 })),
      1,
    );
    const { verdict, gates } = judgeMemorisation({ ...good, verbatimOverlap: none }, spec);
    equal(verdict, 'pass');
    match(gates.find(({ name }) => name === 'verbatimOverlap')?.reason ?? '', /; 12 prompts show little/);
  });

  for (const name of MEMORISATION_GATE_NAMES) {
    it(`fail on ${name} where it is shown, or without a number`, () => {
      const limit = spec[name].max;
      const failing: readonly (Score | null | undefined)[] = [
        score(limit + 0.01),
        null,
        undefined,
        { ...score(0), value: Number.NaN },
        ...(name === 'canaryExposure' ? [] : [score(Infinity, 0), { value: 0, interval: null, rows: 200 }]),
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
