/** What the whole run should show and cost, beside what a generator's prototype shows. Pure; kept as evidence. */
import type { TextGeneration } from '../../pipelines/definition.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { Interval } from '../contract/measures.ts';
import {
  foretellAdherence,
  foretellDifference,
  MOST_TEST_PROMPTS,
  type ForetoldEnd,
} from '../generation/foretell-adherence.ts';
import { judgedAdherence } from '../generation/ranking.ts';
import { predictSeconds } from '../selection/learning-curve.ts';
import type { Cost } from './cost.ts';
import { outlookOf, type Outlook } from './whole-gallery.ts';
import { expense, type Expense } from './worth.ts';

export interface ForetoldAdherenceGate {
  readonly name: 'adherence' | 'gainOverUnprompted';
  readonly threshold: number;
  readonly severity: 'fail' | 'warn';
  /** The lower end of its interval, of the model as it is here. */
  readonly judged: ForetoldEnd;
  /** Of the model as it is here. */
  readonly outlook: Outlook;
}

export interface WholeAnswers {
  /** Of `money`; null without prices. */
  readonly currency: string | null;
  /** Of the prototype, and of the whole run: those that are asked. */
  readonly asked: number;
  readonly testPrompts: number;
  /** Over so many, where answers keep the guidelines as often as here; `adherence` is that share. */
  readonly adherence: number;
  readonly interval: Interval;
  /** That the gate of adherence passes, and the most that it can judge of so many prompts; null where it is off. */
  readonly passes: { readonly probability: number; readonly most: number; readonly threshold: number } | null;
  readonly gates: readonly ForetoldAdherenceGate[];
  /** No prompt was enough here: the whole run tunes on more answers, which are no part of what is predicted. */
  readonly tunes: boolean;
  /** Asking both models, the one that is served and the one told nothing; null of an evaluation that was not timed. */
  readonly asking: Expense | null;
  /** Good answers that the whole run has to learn from, in proportion to its rows; null where nothing was trained. */
  readonly completions: number | null;
  /** null where nothing was trained here, or its time is not known: reused, resumed, or ended by the budget. */
  readonly training: Expense | null;
  /** Of the gates that may fail; of one that tunes `fails` only where no model could pass. */
  readonly verdict: Outlook;
}

/** undefined of a run that is no prototype, or has not been evaluated. */
export function wholeAnswersOf(facts: RunFacts, cost: Cost): WholeAnswers | undefined {
  const { generation, data, pipeline, training } = facts;
  const whole = data?.wholeRows;
  const evaluation = generation?.evaluation;
  if (pipeline.task !== 'text-generation' || evaluation === undefined || whole === undefined) return undefined;
  const score = evaluation.measures['adherence'];
  if (score === undefined || score.value === null || score.rows === 0) return undefined;
  const rows = Math.max(score.rows, Math.min(whole.test, MOST_TEST_PROMPTS));
  const over = { rows, nested: whole.test <= MOST_TEST_PROMPTS };
  const { min: threshold, severity } = pipeline.gates.adherence;
  const { interval, judged, probability, most } = foretellAdherence(score, over, threshold);
  const gates: ForetoldAdherenceGate[] = [];
  if (severity !== 'off') {
    const outlook = probability >= 0.975 ? 'passes' : probability <= 0.025 ? 'fails' : 'open';
    gates.push({ name: 'adherence', threshold, severity, judged, outlook });
  }
  const gain = gainGate(evaluation.measures['gainOverUnprompted'], over, pipeline);
  const tunes = training !== undefined || !reachesTarget(facts, pipeline);
  const both = evaluation.secondsAnAnswer;
  const all = gain === null ? gates : [...gates, gain];
  return {
    currency: cost.prices?.currency ?? null,
    asked: score.rows,
    testPrompts: rows,
    adherence: score.value,
    interval,
    passes: severity === 'off' ? null : { probability, most, threshold },
    gates: all,
    tunes,
    asking:
      both === undefined
        ? null
        : expense((both.served + both.base) * rows, { cost, queue: 'espalier-cpu', devices: 1, atMost: false }),
    ...trainingOf(facts, cost),
    verdict: verdictOf(all, { tunes, impossible: severity === 'fail' && most < threshold }),
  };
}

function gainGate(
  score: Parameters<typeof foretellDifference>[0] | undefined,
  over: Parameters<typeof foretellDifference>[1],
  { gates: { gainOverUnprompted: limit } }: TextGeneration,
): ForetoldAdherenceGate | null {
  const judged = score === undefined || limit.severity === 'off' ? null : foretellDifference(score, over);
  if (judged === null || limit.severity === 'off') return null;
  const { min: threshold, severity } = limit;
  return { name: 'gainOverUnprompted', threshold, severity, judged, outlook: outlookOf(judged, threshold) };
}

/** Whether the best prompt was enough here; a search that is not known has stopped nobody. */
function reachesTarget({ candidates, selection }: RunFacts, { adherence }: TextGeneration): boolean {
  const search = candidates?.find(({ id }) => id === selection?.winner)?.generator?.search;
  if (search === undefined) return true;
  return (judgedAdherence(search.best.adherence, adherence.judgedBy) ?? 0) >= adherence.target;
}

/** Of one size all time is taken to grow with the rows: an upper bound. The recipe's epochs are those of all rows here, too. */
function trainingOf(
  { data, generation, training, steps }: RunFacts,
  cost: Cost,
): Pick<WholeAnswers, 'completions' | 'training'> {
  const learnt = generation?.formatted?.rows.train;
  if (training === undefined || learnt === undefined || !data?.wholeRows || data.rows.train === 0) {
    return { completions: null, training: null };
  }
  const completions = Math.round((learnt * data.wholeRows.train) / data.rows.train);
  const cut = training.stoppedByBudget !== undefined || training.resumedAtSteps.length > 0;
  const ran = cut ? undefined : steps.find(({ id }) => id === 'train')?.ranSeconds;
  const seconds = ran === undefined ? null : predictSeconds([{ rows: learnt, seconds: ran }], completions);
  const of = { cost, queue: 'espalier-gpu', devices: cost.devices, atMost: true } as const;
  return { completions, training: seconds === null ? null : expense(seconds, of) };
}

/** More answers to learn from may bring a gate through that does not pass here, so that only what nothing passes speaks against them. */
function verdictOf(
  gates: readonly ForetoldAdherenceGate[],
  { tunes, impossible }: { readonly tunes: boolean; readonly impossible: boolean },
): Outlook {
  const strict = gates.filter(({ severity }) => severity === 'fail').map(({ outlook }) => outlook);
  if (impossible || (!tunes && strict.includes('fails'))) return 'fails';
  return strict.length > 0 && strict.every((outlook) => outlook === 'passes') ? 'passes' : 'open';
}
