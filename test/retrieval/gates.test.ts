import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { retrievalVerdict } from '../../activities/retrieval/judge-retrieval.ts';
import { shareScore } from '../../activities/validation/scores.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_NAMES, RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import { retrieval } from '../support/retrieval-facts.ts';

const gates = RetrievalGatesSchema.parse({});
const { measures } = retrieval;
const verdictOf = (changed: Partial<typeof measures>, name: string) =>
  retrievalVerdict({ measures: { ...measures, ...changed }, gates }).gates.find((gate) => gate.name === name);

describe('the gates of a model that finds pictures', () => {
  it('are all judged of the model by itself, but for the one beside production', () => {
    const { verdict, gates: judged } = retrievalVerdict({ measures, gates });
    equal(verdict, 'pass');
    deepEqual(
      judged.map(({ name }) => name),
      RETRIEVAL_GATE_NAMES.filter((name) => name !== 'gainOverProduction'),
    );
  });

  it('are off for an attack that nobody asked for, fail where it was not made, and stand by its lower end', () => {
    const asked = RetrievalGatesSchema.parse({ pgdRobustness: { min: 0.5 } });
    const judged = (kept: number | null) => {
      const score = kept === null ? {} : { pgdRobustness: shareScore(kept, 200) };
      const { gates: all } = retrievalVerdict({ measures: { ...measures, ...score }, gates: asked });
      return ['pgdRobustness', 'squareRobustness'].map((name) => all.find((gate) => gate.name === name));
    };
    const [missing, unasked] = judged(null);
    deepEqual([missing?.verdict, unasked?.verdict], ['fail', 'off']);
    match(unasked?.reason ?? '', /the definition does not ask for it/);
    // As of classifiers: 114 of 200 show more than half, 113 do not.
    deepEqual([judged(113)[0]?.verdict, judged(114)[0]?.verdict], ['fail', 'pass']);
  });

  it('judge recall, mAP and gains by the lower end: few queries are no proof', () => {
    const few = { value: 0.95, interval: { low: 0.8, high: 1, confidence: 0.95 }, rows: 20 };
    const failed = verdictOf({ recallAtK: few }, 'recallAtK');
    deepEqual([failed?.verdict, failed?.measured], ['fail', 0.8]);
    match(
      failed?.reason ?? '',
      /0\.95 on 20 rows; the lower end of its 95 % interval, 0\.8, is below .*recallAtK\.min \(0\.9\)/,
    );
    const none = { value: 0, interval: null, rows: 20 };
    equal(verdictOf({ gainOverPixels: none }, 'gainOverPixels')?.verdict, 'fail', 'no query tells it from pixels');
  });

  it('say that pictures are told to be the same by their files in the dataset, not as they came', () => {
    match(RETRIEVAL_GATE_TABLE.queriesInGallery.meaning, /as the dataset has it \(without metadata\)/);
  });

  it('fail for a single awkward picture that finds nothing usable', () => {
    const score = { value: 13 / 14, interval: null, rows: 14 };
    equal(verdictOf({ edgeInputs: score }, 'edgeInputs')?.verdict, 'fail');
  });

  it('warn where a slice is shown to find markedly worse, and are off where there is none', () => {
    const judged = (low: number) =>
      verdictOf({ sliceGap: { value: 0.3, interval: { low, high: 0.5, confidence: 0.99 }, rows: 100 } }, 'sliceGap');
    deepEqual([judged(0.09)?.verdict, judged(0.11)?.verdict], ['pass', 'warn']);
    const none = { value: null, interval: null, rows: 0, notApplicable: 'no slice has 30 pictures beside 30 others' };
    equal(verdictOf({ sliceGap: none }, 'sliceGap')?.verdict, 'off');
  });

  it('say what so few pictures would not have shown where they show nothing, and nothing of it where they do', () => {
    const judged = (low: number, beyond: number, most: number) => {
      const interval = { low, high: 0.5, confidence: 0.99 };
      const sliceGap = { value: 0.3, interval, rows: 33, resolution: { beyond, most } };
      return verdictOf({ sliceGap }, 'sliceGap');
    };
    // A tenth is allowed, and four in ten of the rest must be lost: 1 - 0.9 * 0.6.
    match(judged(0.05, 0.4, 0.7)?.reason ?? '', /; with these 33 pictures a loss below about 0\.46 may not be seen$/);
    match(judged(0.05, 0.4, 0.45)?.reason ?? '', /not even one of all that is better than chance, about 0\.45$/);
    doesNotMatch(judged(0.2, 0.4, 0.7)?.reason ?? '', /seen/);
    equal(JSON.stringify(judged(0.05, 0.4, 0.7)?.score).includes('resolution'), false, 'it is told, not kept twice');
  });

  it('judge a run that began before there was a gate without it', () => {
    const { sliceGap: _, ...before } = gates;
    const { verdict, gates: all } = retrievalVerdict({ measures, gates: before as typeof gates });
    deepEqual([verdict, all.some(({ name }) => name === 'sliceGap')], ['pass', false]);
  });

  it('warn where harmless edits may cost a tenth of the pictures what they find first, for want of pictures too', () => {
    const judged = (changed: number, rows: number) =>
      verdictOf({ flipRate: shareScore(changed, rows) }, 'flipRate')?.verdict;
    deepEqual([judged(4, 100), judged(5, 100), judged(0, 35), judged(0, 34)], ['pass', 'warn', 'pass', 'warn']);
  });

  it('fail for a single test picture in the gallery, and warn where a twentieth has nothing to find', () => {
    equal(
      verdictOf({ queriesInGallery: { value: 1 / 500, interval: null, rows: 500 } }, 'queriesInGallery')?.verdict,
      'fail',
    );
    const missing = { value: 0.06, interval: null, rows: 500 };
    equal(verdictOf({ queriesWithoutRelevant: missing }, 'queriesWithoutRelevant')?.verdict, 'warn');
  });

  it('judge a table of behaviour tests each beside the others, and fail one that was not measured', () => {
    const table = { kind: 'invariance', file: 'same.csv', min: 0.9, severity: 'fail' } as const;
    const score = { value: 0.5, interval: null, rows: 2 };
    const failures = [{ file: 'same.csv', line: 3, problem: 'finds nothing first the one way' }];
    const verdict = retrievalVerdict({
      measures,
      gates,
      behaviour: {
        gates: { same: table, lost: table },
        measured: [{ name: 'same', kind: table.kind, score, failures }],
      },
    });
    equal(verdict.verdict, 'fail');
    const [same, lost] = verdict.gates.slice(-2);
    deepEqual([same?.name, same?.verdict, lost?.name, lost?.verdict], ['same', 'fail', 'lost', 'fail']);
    match(same!.reason, /behaviour\.same\.min \(0\.9\); same\.csv:3 finds nothing/);
  });

  it('do not judge tuning where there was none', () => {
    const gate = verdictOf({}, 'gainOverFrozen');
    deepEqual([gate?.verdict, gate?.reason], ['off', 'gainOverFrozen was not measured: nothing was tuned']);
  });

  it('say in a sentence what they mean, why their threshold is what it is, and how often they accuse wrongly', () => {
    for (const [name, row] of Object.entries(RETRIEVAL_GATE_TABLE)) {
      const [low, high] = row.range;
      ok(row.threshold >= low && row.threshold <= high, name);
      ok(row.meaning.endsWith('.') && row.why.length > 10 && row.falseAlarms.length > 5, name);
    }
  });
});
