/** `espalier run --plan`: the steps, what is known already, and what the rest would take; nothing is started. */
import type { Pointers } from '../../artifacts/pointers.ts';
import { readPrices } from '../../activities/report/prices.ts';
import { countedRows, planOf, recordedIn, sourceOf, type EarlierRun, type RunPlan } from '../../client/plan-run.ts';
import { readRunInput } from '../../client/run-input.ts';
import { listRuns, showRun } from '../../client/runs.ts';
import type { PreparedRun } from '../../client/start-run.ts';
import type { Context } from '../context.ts';
import { EXIT, printJson, printTable, say, seconds, style } from '../output.ts';

/** Older runs than these are not looked at: each costs a query. */
const MAX_RUNS = 10;

export async function showPlan(context: Context, { input }: PreparedRun, json: boolean): Promise<number> {
  const { pointers } = await context.store();
  const { prices } = await readPrices(context.env);
  // Brings every step's libraries: only who asks for a plan waits for them.
  const { STEPS_NOW } = await import('../../activities/index.ts');
  const plan = await planOf(
    input,
    await earlierRuns(context, pointers, input.pipeline.name),
    recordedIn(pointers, STEPS_NOW),
    prices,
  );
  if (json) printJson(plan);
  else print(plan);
  return EXIT.ok;
}

/** Newest first; a run whose history or worker cannot be asked any more tells nothing. */
async function earlierRuns(context: Context, pointers: Pointers, pipeline: string): Promise<EarlierRun[]> {
  const { client } = await context.temporal();
  const runs: EarlierRun[] = [];
  for (const { runId } of await listRuns(client, { pipeline, limit: MAX_RUNS })) {
    const known = await Promise.all([readRunInput(client, runId), showRun(client, runId)]).catch(() => undefined);
    if (known === undefined) continue;
    const [{ input }, { steps }] = known;
    runs.push({ runId, input, steps, trainRows: await countedRows(pointers, steps) });
  }
  return runs;
}

const WORDS = {
  run: 'runs',
  reuse: 'reused',
  'few-rows': 'if the rows are few',
  maybe: 'only if it gets there',
  person: 'waits',
} as const;

function print(plan: RunPlan): void {
  const priced = plan.money !== null;
  printTable(
    ['STEP', 'WHAT', 'TIME', ...(priced ? ['COST'] : []), 'BY'],
    plan.steps.map((step) => [
      step.id,
      WORDS[step.what],
      step.seconds === null ? '' : seconds(step.seconds),
      ...(priced ? [step.money === null ? '' : step.money.toFixed(4)] : []),
      sourceOf(step),
    ]),
  );
  const cost = (money: number | null): string => (priced ? `, ${(money ?? 0).toFixed(2)} ${plan.currency ?? ''}` : '');
  say(`\nabout ${style.bold(seconds(plan.seconds))} of computing${cost(plan.money)}, one step after the other at most`);
  const { most, trainRows } = plan;
  if (most.seconds > plan.seconds) {
    say(
      `up to ${style.bold(seconds(most.seconds))}${cost(most.money)} where the training rows are few: no run has counted these`,
    );
  }
  if (trainRows !== null) say(`${trainRows.rows} training rows, as in ${trainRows.from}`);
  if (plan.search !== null) {
    const { answers, tokens } = plan.search;
    say(
      `each search for a prompt asks for at most ${answers} answers of up to ${tokens} tokens: a stated time knows nothing of them`,
    );
  }
  const { time, money } = plan.budget ?? {};
  const budget = [
    ...(time === undefined ? [] : [time]),
    ...(money === undefined ? [] : [`${money} ${plan.currency ?? ''}`]),
  ];
  if (budget.length > 0) say(`budget: ${budget.join(', ')}`);
  for (const line of plan.over) say(style.yellow(`! ${line}`));
  if (plan.prototype) say('a prototype: a small part of the data, and never in production');
  say(style.dim('nothing was started; without --plan the run begins'));
}
