import { patched } from '@temporalio/workflow';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import type { HalvedCandidates, RungResult } from '../../activities/contract/prototype.ts';
import type { CandidateOutcome, Selection } from '../../activities/contract/selection.ts';
import { seedsOfTry } from '../../pipelines/seeds-by-rows.ts';
import { StepLeftOut } from '../failures.ts';
import { prototypeStep, prototypeSteps, rungsOf, triesOf } from '../plan.ts';
import type { Run } from '../run.ts';
import { cutShort, isTooNear, ofAllSeeds } from '../rungs.ts';
import { chooseInput, halveInput, prototypeInput, rungInput } from '../step-inputs.ts';
import { tryStep } from '../training.ts';

/** What the rungs have to do with: the data, the candidates' outcomes, and who is tried. */
interface Tried {
  readonly dataset: DatasetSummary;
  readonly outcomes: readonly CandidateOutcome[];
  readonly selection: Selection;
}

/** Whether frozen figures only say who is tried; else they are the last word. */
export function prototypesDecide(run: Run): boolean {
  const { selection, training } = run.classification();
  const { shortlist, generalist } = selection.prototype;
  return rungsOf(run.input.pipeline).length > 0 && training.method !== 'head' && shortlist + Number(generalist) > 1;
}

/**
 * Fine-tunes the best few on growing parts of the training rows, on each rung side by side, and chooses one of them. What
 * goes wrong with one is its own; where nobody comes through, or the budget has ended, what is known decides.
 */
export async function prototype(run: Run, tried: Tried): Promise<Selection> {
  const { selection } = tried;
  const steps = prototypeSteps(run.input.pipeline);
  const alone = (selection.shortlist?.length ?? 0) < 2 && run.pipeline.prototype === undefined;
  const nothingToTry = alone || run.classification().training.method === 'head';
  if (steps.length === 0 || nothingToTry) {
    run.engine.close(steps, 'skipped');
    return selection;
  }
  run.settleSeeds(tried.dataset.rows.train);
  const { results, left, stopped } = await climb(run, tried);
  run.engine.close(
    steps.filter((id) => id !== 'choose'),
    'skipped',
  );
  const chosen = await run.step('light', 'choose', 'chooseCandidate', () =>
    chooseInput(run.classification(), {
      ...tried,
      results,
      left,
      ...(stopped === undefined ? {} : { stopped }),
    }),
  );
  run.facts.prototyped = chosen.prototyped;
  return chosen.selection;
}

interface Climbed {
  readonly results: readonly RungResult[];
  readonly left: HalvedCandidates['left'];
  /** Why it ended before the last rung. */
  readonly stopped?: string;
}

async function climb(run: Run, tried: Tried): Promise<Climbed> {
  const results: RungResult[] = [];
  const left: HalvedCandidates['left'][number][] = [];
  let going = tried.selection.shortlist ?? [tried.selection.winner];
  const rungs = rungsOf(run.input.pipeline);
  for (const [at, share] of rungs.entries()) {
    const rung = at + 1;
    const stopped = await run.budget.ended();
    if (stopped !== undefined) return { results, left, stopped };
    if (going.length === 0) break;
    const { prototype: setting } = run.classification().selection;
    const leftOut =
      run.pipeline.prototype === undefined && isTooNear(setting, [share, rungs[at + 1]], tried.dataset.rows.train);
    // A run that began before rungs were left out has tried this one.
    if (leftOut && patched('leave-out-near-rungs')) {
      run.engine.close(stepsOfRung(run, rung), 'skipped');
      continue;
    }
    const now = await tryRung(run, tried, going, { rung, share });
    results.push(...ofAllSeeds(now));
    const cut = cutShort(rung, now);
    if (cut !== undefined) return { results, left, stopped: cut };
    if (rung === rungs.length) break;
    const halved = await run.step('light', `halve:${rung}`, 'halveCandidates', () =>
      halveInput(run.classification(), results, rung),
    );
    going = halved.survivors;
    left.push(...halved.left);
  }
  return { results, left };
}

/** Those of a rung that is left out: the one after it is hardly larger. */
function stepsOfRung(run: Run, rung: number): readonly string[] {
  return [`subset:${rung}`, `halve:${rung}`, ...triesOf(run.input.pipeline, rung)];
}

async function tryRung(
  run: Run,
  { dataset, outcomes }: Tried,
  going: readonly string[],
  { rung, share }: { readonly rung: number; readonly share: number },
): Promise<readonly RungResult[]> {
  const part = await run.step('light', `subset:${rung}`, 'subsetData', () =>
    rungInput(run.classification(), dataset, share),
  );
  const pipeline = run.classification();
  const seeds = run.pipeline.prototype === undefined ? seedsOfTry(pipeline.selection.prototype, dataset.rows.train) : 1;
  const trainings = going.flatMap((candidate) =>
    Array.from({ length: seeds }, (_, at) => ({
      candidate,
      seed: at + 1,
      step: prototypeStep(candidate, rung, at + 1),
    })),
  );
  const taken = new Set(trainings.map(({ step }) => step));
  run.engine.close(
    triesOf(run.input.pipeline, rung).filter((id) => !taken.has(id)),
    'skipped',
  );
  const allowance = await run.budget.trainingAllowance(trainings.length, 0);
  return Promise.all(
    trainings.map(async ({ candidate, seed, step }): Promise<RungResult> => {
      const about = { candidate, rung, trainRows: part.rows.train, validationRows: part.rows.validation };
      const place = run.input.candidates.findIndex(({ id }) => id === candidate);
      try {
        const input = () => ({
          ...prototypeInput(
            { pipeline: run.classification(), input: run.input },
            outcomes,
            candidate,
            { ...dataset, dataset: part.dataset },
            seed,
          ),
          ...(allowance === undefined ? {} : { allowance }),
        });
        const trained = await tryStep(run, step, input, `p${rung}-${place}${seed === 1 ? '' : `-${seed}`}`);
        const seconds = (Date.parse(trained.finishedAt) - Date.parse(trained.startedAt)) / 1000;
        return { ...about, accuracy: trained.output.validationAccuracy ?? null, seconds };
      } catch (error) {
        if (!(error instanceof StepLeftOut)) throw error;
        return { ...about, accuracy: null, seconds: null, error: error.record.message, errorKind: error.record.kind };
      }
    }),
  );
}
