import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { generationVerdict } from '../../activities/generation/judge-generation.ts';
import { adherenceScore, compareAdherence } from '../../activities/generation/metrics/adherence.ts';
import { degenerationScore } from '../../activities/generation/metrics/degeneration.ts';
import { lostNats } from '../../activities/generation/metrics/likelihood.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { leastTrialsToShow, wilsonInterval } from '../../activities/validation/statistics.ts';
import type { Score } from '../../activities/contract/measures.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { MemorisationGatesSchema } from '../../pipelines/memorisation.ts';
import { gateProblems } from '../../pipelines/gate-rules.ts';
import {
  GENERATION_GATE_NAMES,
  GENERATION_GATE_TABLE,
  type GenerationGateName,
  type GenerationGateRow,
} from '../../pipelines/gates/generation.ts';

const JUDGED = { interval: 'worse end', proof: 'better end', value: 'value' } as const;
const limits = GenerationGatesSchema.parse({});
const random = seededRandom(4);
const DRAWS = 1000;

const answers = (rows: number, share: number) =>
  Array.from({ length: rows }, () => ({ adherent: random.uniform() < share }));
const degenerate = (rows: number, share: number): Score =>
  degenerationScore(
    answers(rows, share).map(({ adherent }) => ({ text: adherent ? '' : 'Thank you, it is sent.', finish: 'end' })),
  ).score;
const passes = (name: GenerationGateName, score: Score): boolean =>
  judgeGate(name, GENERATION_GATE_TABLE[name], score, limits[name]).verdict === 'pass';
const share = (draw: () => boolean): number => Array.from({ length: DRAWS }, draw).filter(Boolean).length / DRAWS;

describe('the table of gates on text that is generated', () => {
  it('stands in docs/generation.md, row by row, with its false alarms', async () => {
    const text = await readFile(new URL('../../docs/generation.md', import.meta.url), 'utf8');
    for (const name of GENERATION_GATE_NAMES) {
      const row: GenerationGateRow = GENERATION_GATE_TABLE[name];
      const { meaning, direction, threshold, judged, severity, why, falseAlarms } = row;
      const cells = [`\`${name}\``, meaning, `${direction} ${threshold}`, JUDGED[judged], severity, why, falseAlarms];
      ok(text.includes(`| ${cells.join(' | ')} |`), `docs/generation.md lacks the line\n| ${cells.join(' | ')} |`);
      ok(falseAlarms.length > 0 && falseAlarms.length < 220, name);
    }
  });

  it('has its defaults within their ranges, and a threshold in percent is told', () => {
    deepEqual(gateProblems(limits, 'text-generation'), []);
    const wrong = gateProblems({ adherence: { min: 80 }, forgetting: { max: -1 } }, 'text-generation');
    deepEqual(
      wrong.map(({ path }) => path),
      ['gates.adherence.min', 'gates.forgetting.max'],
    );
  });
});

describe('the verdict on a run that generates text', () => {
  it('leaves out a gate that was not there when the run began, and fails one that was not measured', () => {
    const { noiseDrop, ...known } = limits;
    const judged = (gates: typeof limits) =>
      generationVerdict({
        measures: {},
        memorisation: null,
        gates,
        memorisationGates: MemorisationGatesSchema.parse({}),
      }).gates.map(({ name, verdict }) => [name, verdict]);
    const all = judged({ ...known, noiseDrop });
    deepEqual(
      judged(known as typeof limits),
      all.filter(([name]) => name !== 'noiseDrop'),
    );
    deepEqual(
      all.find(([name]) => name === 'noiseDrop'),
      ['noiseDrop', 'warn'],
    );
  });
});

describe('a limit of domainShift from before it was a share of prompts', () => {
  it('is refused where a definition names it, with the present default and what it was', () => {
    const of = (max: number) => gateProblems({ domainShift: { max } }, 'text-generation');
    deepEqual(of(0.49), []);
    const [problem] = of(0.6);
    equal(problem?.path, 'gates.domainShift.max');
    ok(/0\.6.*another measure \(how often a classifier is right/u.test(problem?.message ?? ''), problem?.message);
    ok(/leave it out \(0\.1\)/u.test(problem?.fix ?? ''), problem?.fix);
    deepEqual(gateProblems({ domainShift: { max: 0.6 } }, 'text-classification'), [], 'there it is the measure still');
  });

  it('is the present default in a run whose definition was checked before', () => {
    const judged = (max: number) =>
      generationVerdict({
        measures: {
          domainShift: {
            value: 0.65,
            interval: { low: 0.44, high: 0.8, confidence: 0.95 },
            rows: 100,
          },
        },
        memorisation: null,
        gates: { ...limits, domainShift: { ...limits.domainShift, max } },
        memorisationGates: MemorisationGatesSchema.parse({}),
      }).gates.find(({ name }) => name === 'domainShift');
    deepEqual([judged(0.6)?.verdict, judged(0.6)?.threshold], ['warn', 0.1]);
    deepEqual([judged(0.49)?.verdict, judged(0.49)?.threshold], ['pass', 0.49]);
  });
});

describe('the gates of generation, on answers that were drawn', () => {
  it('let a model pass at the edge of adherence one time in forty, and fail a good one only where prompts are few', () => {
    for (const rows of [50, 200]) {
      ok(share(() => passes('adherence', adherenceScore(answers(rows, 0.8)))) <= 0.045);
    }
    ok(share(() => !passes('adherence', adherenceScore(answers(100, 0.95)))) <= 0.02);
    ok(share(() => !passes('adherence', adherenceScore(answers(20, 0.95)))) >= 0.5);
  });

  it('call no model degenerate for a small test set, and nearly every one that is', () => {
    ok(passes('degeneration', degenerate(20, 0)));
    for (const rows of [20, 50, 200]) ok(share(() => !passes('degeneration', degenerate(rows, 0.05))) <= 0.02);
    ok(share(() => !passes('degeneration', degenerate(100, 0.1))) <= 0.06);
    ok(share(() => !passes('degeneration', degenerate(100, 0.3))) >= 0.97);
  });

  it('accuse a model that is as good as the one in production one time in twenty-five at most, and see a clear loss', () => {
    /** Of prompts that one of the two alone answers within the guidelines. */
    const beside = (rows: number, won: number, lost: number): Score => {
      const lots = Array.from({ length: rows }, () => random.uniform());
      const ours = lots.map((lot) => ({ adherent: lot >= lost }));
      const theirs = lots.map((lot) => ({ adherent: lot < 1 - won }));
      return compareAdherence(ours, theirs).difference;
    };
    const warned = (rows: number, won: number, lost: number): number =>
      share(() => !passes('gainOverProduction', beside(rows, won, lost)));
    for (const rows of [20, 50, 200]) {
      for (const apart of [0.02, 0.1, 0.25, 0.5]) ok(warned(rows, apart, apart) <= 0.045, `${apart} of ${rows}`);
    }
    ok(warned(100, 0.02, 0.22) >= 0.98);
    ok(warned(20, 0.02, 0.12) <= 0.12, 'few prompts show little');
  });

  it('draw intervals that hold the truth as often as they say', async () => {
    for (const [rows, truth] of [
      [20, 0.9],
      [100, 0.8],
      [200, 0.95],
    ] as const) {
      const held = share(() => {
        const { low, high } = adherenceScore(answers(rows, truth)).interval!;
        return low <= truth && truth <= high;
      });
      ok(held > 0.92 && held < 0.98, `${held} of ${rows} at ${truth}`);
    }
    const paired = share(() => {
      const { low, high } = compareAdherence(answers(100, 0.8), answers(100, 0.5)).difference.interval!;
      return low <= 0.3 && high >= 0.3;
    });
    ok(paired > 0.92 && paired < 0.99, `${paired}`);
    let within = 0;
    for (let draw = 0; draw < 150; draw++) {
      const base = Array.from({ length: 40 }, () => ({ nats: 100, tokens: 20 + random.below(80) }));
      const tuned = base.map(({ nats, tokens }) => ({ nats: nats + random.uniform() * 0.4 * tokens, tokens }));
      const { interval } = await lostNats(tuned, base, { seed: draw });
      within += Number(interval !== null && interval.low <= 0.2 && interval.high >= 0.2);
    }
    ok(within >= 132, `${within} of 150`);
  });

  it('know how many answers a share needs at least', () => {
    for (const wanted of [0.5, 0.8, 0.85, 0.9, 0.99]) {
      const least = leastTrialsToShow(wanted);
      ok(wilsonInterval(least, least).low >= wanted);
      ok(wilsonInterval(least - 1, least - 1).low < wanted);
    }
    equal(leastTrialsToShow(0.9), 35);
    equal(leastTrialsToShow(1), Number.POSITIVE_INFINITY);
  });
});
