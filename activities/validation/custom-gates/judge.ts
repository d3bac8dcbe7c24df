/**
 * Gates of an organisation's own: its module gives a number, threshold and severity stand in the definition, and the verdict is
 * made by the rule that judges every gate.
 */
import { z } from 'zod';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { Score } from '../../contract/measures.ts';
import type { GateResult, GatesVerdict, JudgeCustom } from '../../contract/validation.ts';
import type { StepContext } from '../../step.ts';
import { judgeGate, worstOf } from '../gates.ts';
import { NO_SCORE } from '../scores.ts';
import { gateEvidence } from './evidence.ts';
import type { CustomGatesModule } from './module.ts';
import { MOST_WORDS } from './answer.ts';
import { GATE_LIMITS, runGate, type GateAnswer, type GateLimits } from './run-gate.ts';

type Judging = Pick<StepContext, 'customGates' | 'store' | 'signal' | 'progress'>;

const number = z.number().refine(Number.isFinite);
/** A formula's end may miss a value that it is, by the last digits. */
const ROUNDING = 1e-9;
/** An interval is judged by its worse end: one with swapped ends, or of another value, would be judged by its better one. */
const ScoreSchema = z
  .strictObject({
    value: number.nullable(),
    interval: z.strictObject({ low: number, high: number, confidence: number.min(0).max(1).default(0.95) }).nullish(),
    rows: z.int().min(0).default(0),
  })
  .superRefine(({ value, interval }, { addIssue }) => {
    if (!interval) return;
    const { low, high } = interval;
    const rounding = ROUNDING * Math.abs(value ?? 0);
    if (value === null || !(low - rounding <= value && value <= high + rounding)) {
      const message = `the interval from ${low} to ${high} does not hold the value, which is ${value}`;
      addIssue({ code: 'custom', path: ['interval'], message });
    }
  });

/** The verdict with these gates beside those that were judged already. Throws as judgeCustomGates. */
export async function withCustomGates(
  { gates }: GatesVerdict,
  custom: JudgeCustom | undefined,
  context: Judging,
): Promise<GatesVerdict> {
  const all = [...gates, ...(custom === undefined ? [] : await judgeCustomGates(custom, context))];
  return { verdict: worstOf(all), gates: all };
}

/**
 * One result a gate that the definition names, in its order. A function that throws, takes too much time or memory, or gives
 * something else than a score has measured nothing, and its gate fails. Throws BadConfig where the worker's module is not the one
 * that the run began with, and as runGate.
 */
export async function judgeCustomGates(
  custom: JudgeCustom,
  { customGates, store, signal, progress }: Judging,
  limits: GateLimits = GATE_LIMITS,
): Promise<GateResult<string>[]> {
  const { source } = requireModule(custom, customGates);
  const evidence = await gateEvidence(custom, { store, signal });
  const results: GateResult<string>[] = [];
  for (const [name, limit] of Object.entries(custom.gates)) {
    progress({ phase: `gate ${name}`, done: results.length, total: Object.keys(custom.gates).length });
    const answer = await runGate({ source, name, evidence }, signal, limits);
    const { score, problem } = scoreOf(answer);
    const direction = 'min' in limit ? 'min' : 'max';
    const judged = score.interval === null ? 'value' : 'interval';
    const gate = { direction, judged, unit: 'number', meaning: name } as const;
    const result = judgeGate(name, gate, score, limit, 'customGates');
    results.push({
      ...result,
      ...(problem === undefined ? {} : { reason: `${result.reason}: ${problem}` }),
      ...('outOfTime' in answer ? { outOfTime: true } : {}),
    });
  }
  return results;
}

/** Whether the verdict is one for all runs: what took too long here may not where the machine has less to do. */
export function keepsVerdict({ gates }: GatesVerdict): boolean {
  return gates.every(({ outOfTime }) => outOfTime !== true);
}

/** What has been decided so far was decided about a run with that module. */
function requireModule({ module }: JudgeCustom, known: CustomGatesModule | undefined): CustomGatesModule {
  if (known?.digest === module) return known;
  const has = known === undefined ? 'has none' : `has ${known.digest}`;
  throw new EspalierError('BadConfig', `the run began with the module of gates ${module}, and this worker ${has}`, {
    where: 'ESPALIER_GATES',
    fix: 'start the workers with the module that the run began with and retry; for another one start a new run, which reuses what is done',
  });
}

function scoreOf(answer: GateAnswer): { readonly score: Score; readonly problem?: string } {
  if ('problem' in answer) return { score: NO_SCORE, problem: answer.problem };
  const parsed = ScoreSchema.safeParse(answer.value);
  if (!parsed.success) return { score: NO_SCORE, problem: z.prettifyError(parsed.error).slice(0, MOST_WORDS) };
  const { value, interval, rows } = parsed.data;
  return { score: { value, interval: interval ?? null, rows } };
}
