import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Score } from '../../activities/contract/measures.ts';
import { judgeGates } from '../../activities/validation/gates.ts';
import { judgeGatesStep } from '../../activities/validation/judge-gates.ts';
import type { StepContext } from '../../activities/step.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import type { GatesSpec } from '../../pipelines/definition.ts';
import { GATE_NAMES as ALL_NAMES, GATE_TABLE as GATES, type EvaluatedGate } from '../../pipelines/gates/table.ts';
import type { AttackGate } from '../../pipelines/attack.ts';

type GateName = EvaluatedGate | AttackGate;
const GATE_NAMES = ALL_NAMES.filter((name): name is GateName => GATES[name].step !== 'compare');

/** With those that have to be named. */
const spec = GatesSchema.parse({ fgsmRobustness: {}, pgdRobustness: {}, squareRobustness: {} });
const score = (value: number | null, low?: number, high?: number): Score => ({
  value,
  interval: low === undefined || high === undefined ? null : { low, high, confidence: 0.95 },
  rows: 100,
});
const good: Record<GateName, Score> = {
  accuracy: score(0.9, 0.85, 0.94),
  macroF1: score(0.89, 0.83, 0.93),
  worstLabelF1: score(0.7, 0.55, 0.8),
  gainOverProbe: score(0.03, 0.01, 0.07),
  trainValidationGap: score(0.05, 0.01, 0.09),
  latencyP95Ms: score(12.345678),
  sizeMb: score(90),
  edgeInputs: score(1),
  flipRate: score(0.02, 0.006, 0.07),
  exportParity: score(1e-6),
  gainOverTrivial: score(0.2, 0.15, 0.25),
  macroF1OverTrivial: score(0.2, 0.15, 0.25),
  calibrationError: score(0.03, 0.02, 0.05),
  validationTestGap: score(0.02, -0.02, 0.06),
  labelSignal: score(0.4),
  labelErrors: score(0.05, 0.03, 0.08),
  leakedTestRows: score(0),
  giveawayWord: score(0.5, 0.3, 0.6),
  domainShift: score(0.5, 0.45, 0.55),
  sliceGap: score(0.03, -0.05, 0.1),
  shiftedDrop: score(0.03, -0.05, 0.1),
  opportunityGap: score(0.04, -0.05, 0.12),
  noiseFlips: score(0.08, 0.05, 0.12),
  paraphraseFlips: score(0.07, 0.04, 0.12),
  identityFlips: score(0.01, -0.03, 0.05),
  triggerFlips: score(0.3, 0.2, 0.4),
  corruptionDrop: score(0.05, 0.01, 0.1),
  patchFlips: score(0.3, 0.2, 0.4),
  giveawayTrait: score(0.3, 0.2, 0.4),
  fgsmRobustness: score(0.7, 0.6, 0.8),
  pgdRobustness: score(0.6, 0.52, 0.7),
  squareRobustness: score(0.7, 0.6, 0.8),
  memoryMb: score(120),
  hardwareFit: score(0.3),
};
const verdictOf = (name: GateName, measures: Partial<Record<GateName, Score | null>>, gates: GatesSpec = spec) =>
  judgeGates(measures, gates).gates.find((gate) => gate.name === name)!;

describe('gates', () => {
  it('have one entry for every gate that a definition can set, with the same direction', () => {
    assert.deepEqual([...ALL_NAMES].sort(), Object.keys(spec).sort());
    for (const name of ALL_NAMES) assert.ok(GATES[name].direction in spec[name], name);
  });

  it('pass a good model, every one', () => {
    const { verdict, gates } = judgeGates(good, spec);
    assert.equal(verdict, 'pass');
    assert.deepEqual(
      gates.map(({ verdict: each }) => each),
      GATE_NAMES.map(() => 'pass'),
    );
  });

  for (const [name, judged, wrong] of [
    ['accuracy', 0.79, score(0.9, 0.79, 0.95)],
    ['macroF1', 0.74, score(0.9, 0.74, 0.95)],
    ['gainOverProbe', -0.03, score(0.2, -0.03, 0.3)],
    ['trainValidationGap', 0.21, score(0.25, 0.21, 0.29)],
    ['latencyP95Ms', 100.1, score(100.1)],
    ['sizeMb', 501, score(501)],
    ['edgeInputs', 0.97, score(0.97)],
    ['exportParity', 0.002, score(0.002)],
    ['pgdRobustness', 0.45, score(0.55, 0.45, 0.65)],
  ] as const) {
    it(`refuse a model for its ${name} alone, judged on the end that its row says`, () => {
      const { verdict, gates } = judgeGates({ ...good, [name]: wrong }, spec);
      assert.equal(verdict, 'fail');
      assert.deepEqual(
        gates.filter((gate) => gate.verdict !== 'pass').map((gate) => [gate.name, gate.measured]),
        [[name, judged]],
      );
    });
  }

  it('judge a share to be kept small on its upper end', () => {
    const { verdict, measured } = verdictOf('flipRate', { ...good, flipRate: score(0.05, 0.01, 0.11) });
    assert.deepEqual([verdict, measured], ['warn', 0.11]);
  });

  it('let a measure pass that stands exactly on its threshold', () => {
    assert.equal(verdictOf('latencyP95Ms', { latencyP95Ms: score(100) }).verdict, 'pass');
    assert.equal(verdictOf('accuracy', { accuracy: score(0.9, 0.8, 0.95) }).verdict, 'pass');
  });

  it('only warn, or only record, where the definition says so', () => {
    const gates = GatesSchema.parse({ accuracy: { min: 0.99, severity: 'warn' }, sizeMb: { max: 1, severity: 'off' } });
    const judged = judgeGates(good, gates);
    assert.equal(judged.verdict, 'warn');
    assert.equal(judged.gates.find(({ name }) => name === 'accuracy')?.verdict, 'warn');
    const off = judged.gates.find(({ name }) => name === 'sizeMb');
    assert.equal(off?.verdict, 'off');
    assert.match(off?.reason ?? '', /, above the pipeline's gates\.sizeMb\.max/);
  });

  it('say the number, the threshold and where it comes from', () => {
    assert.equal(
      verdictOf('accuracy', good).reason,
      "accuracy is 0.9 on 100 rows; the lower end of its 95 % interval, 0.85, is at least the pipeline's gates.accuracy.min (0.8)",
    );
    assert.equal(
      verdictOf('latencyP95Ms', good).reason,
      "latencyP95Ms is 12.35 ms, at most the pipeline's gates.latencyP95Ms.max (100 ms)",
    );
    assert.equal(
      verdictOf('accuracy', {}).reason,
      "accuracy could not be measured; a gate without its number fails: the pipeline's gates.accuracy.min (0.8) cannot be judged",
    );
  });

  it('say how to release the frozen probe where tuning does not beat it, and only there', () => {
    const equal = { ...good, gainOverProbe: score(0.01, -0.02, 0.04) };
    const { verdict, reason } = verdictOf('gainOverProbe', equal);
    assert.equal(verdict, 'fail');
    assert.match(
      reason,
      /-0\.02, is below the pipeline's gates\.gainOverProbe\.min \(0\); .*set training\.method to 'head'/,
    );
    const unmeasured = verdictOf('gainOverProbe', { ...good, gainOverProbe: score(null) });
    for (const gate of [
      unmeasured,
      verdictOf('gainOverProbe', good),
      verdictOf('accuracy', { accuracy: score(0.5, 0.4, 0.6) }),
    ])
      assert.doesNotMatch(gate.reason, /'head'/);
  });

  it('only record the gain over the probe of a head on the frozen encoder, and judge all the rest of it', () => {
    const measures = { ...good, gainOverProbe: score(-0.01, -0.03, 0.01) };
    const { verdict, gates } = judgeGates(measures, spec, 'head');
    assert.equal(verdict, 'pass');
    const gain = gates.find(({ name }) => name === 'gainOverProbe');
    assert.deepEqual([gain?.verdict, gain?.measured, gain?.score], ['off', -0.03, measures.gainOverProbe]);
    assert.match(gain?.reason ?? '', /gainOverProbe is -0\.01 and is recorded, not judged: training\.method 'head'/);
    assert.equal(judgeGates({ ...measures, accuracy: score(0.5, 0.4, 0.6) }, spec, 'head').verdict, 'fail');
    for (const method of ['full', 'lora'] as const) assert.equal(judgeGates(measures, spec, method).verdict, 'fail');
  });

  const notANumber = fc.constantFrom(Number.NaN, Infinity, -Infinity);
  const brokenScore = fc.oneof(
    fc.constant(null),
    fc.constant(undefined),
    fc.constant(score(null)),
    fc.constant(score(null, 0.9, 0.99)),
    notANumber.map((value) => score(value, 0.9, 0.99)),
    notANumber.map((low) => score(0.95, low, 0.99)),
    notANumber.map((high) => score(0.95, 0.9, high)),
  );

  it('never pass a measure that is missing, NaN or infinite, and keep only what JSON can hold', () => {
    fc.assert(
      fc.property(fc.constantFrom(...GATE_NAMES), brokenScore, fc.double(), (name, broken, threshold) => {
        const { direction } = GATES[name];
        const limit = { [direction]: threshold, severity: 'fail' };
        const { verdict, gates } = judgeGates({ ...good, [name]: broken }, { ...spec, [name]: limit });
        const gate = gates.find((each) => each.name === name)!;
        assert.equal(gate.verdict, 'fail');
        assert.equal(gate.measured, null);
        assert.equal(verdict, 'fail');
        canonicalJson({ ...gate, threshold: 0 });
      }),
    );
  });

  it('never pass a measure without its interval where the interval is what is judged', () => {
    for (const name of GATE_NAMES.filter((each) => GATES[each].judged !== 'value')) {
      const value = GATES[name].direction === 'min' ? 1 : 0;
      const gate = verdictOf(name, { ...good, [name]: score(value) });
      assert.notEqual(gate.verdict, 'pass', name);
      assert.match(gate.reason, /no confidence interval/);
    }
  });

  it('never turn a failure into a pass by making the measure worse', () => {
    const number = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...GATE_NAMES),
        number,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (name, value, step) => {
          const worse = GATES[name].direction === 'min' ? value - step : value + step;
          const passes = (at: number): boolean =>
            verdictOf(name, { ...good, [name]: score(at, at, at) }).verdict === 'pass';
          assert.ok(!passes(worse) || passes(value));
        },
      ),
    );
  });

  it('judge as a step what the pure rule judges', async () => {
    const measures = { ...good, accuracy: score(0.5, 0.4, 0.6) };
    const verdict = await judgeGatesStep.run({ measures, gates: spec }, {} as StepContext);
    assert.deepEqual(verdict, judgeGates(measures, spec));
    assert.equal(verdict.verdict, 'fail');
    const even = { ...good, gainOverProbe: score(0, -0.02, 0.02) };
    const ofHead = await judgeGatesStep.run({ measures: even, gates: spec, method: 'head' }, {} as StepContext);
    assert.deepEqual(ofHead, judgeGates(even, spec, 'head'));
    assert.equal(ofHead.verdict, 'pass');
  });
});
