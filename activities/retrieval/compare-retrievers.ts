/**
 * Step `retrieval.compare`: the new model and the one in production embed the same gallery and are asked with the same test
 * pictures. What production was made of is left out: tuned on those pictures, it would win on them for no merit.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import type { CompareRetrieversInput, RetrievalDetails, RetrieverComparison } from '../contract/retrieval.ts';
import { loadLabels } from '../data/dataset.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { idsSeen } from '../validation/compared-models.ts';
import { withLostRows } from '../validation/gate-examples.ts';
import { judgeGate } from '../validation/gates.ts';
import { figuresOfModel } from './model-figures.ts';
import { gainScore, meanScore } from './scores.ts';

/** Of recall, which is not compared here: any does. */
const K = 1;

export const compareRetrievers: StepDefinition<CompareRetrieversInput, RetrieverComparison> = {
  type: 'retrieval.compare',
  version: 5,
  async run(input, context) {
    const { bundle, model } = input.production;
    const no = (reason: string): RetrieverComparison => ({ comparable: false, bundle, reason });
    if (model.digest === input.candidate.model.digest) {
      return no('the model in production is this very model, byte for byte: only its gallery may be another');
    }
    try {
      return await compare(input, context);
    } catch (error) {
      // A model that cannot be run is no reason to keep it; what may pass by itself is tried again.
      if (!(error instanceof EspalierError) || error.retryable) throw error;
      return no(error.message);
    }
  },
};

async function compare(input: CompareRetrieversInput, context: StepContext): Promise<RetrieverComparison> {
  const { store, signal } = context;
  const { production, candidate, dataset, gate, seed } = input;
  const [labels, seen, details] = await Promise.all([
    loadLabels(store, dataset),
    idsSeen(context, production.dataset),
    store.getJson<RetrievalDetails>(candidate.evaluation),
  ]);
  const compared = details.queries.filter(({ rowId }) => seen?.has(rowId) !== true);
  if (compared.length === 0) {
    const reason = `the model in production was made of every one of the ${details.queries.length} test pictures`;
    return { comparable: false, bundle: production.bundle, reason };
  }
  const queries = compared.map(({ rowId }) => rowId);
  const before = await figuresOfModel('production', production.model, { dataset, labels, k: K, queries }, context);
  const precisionBefore = new Map(before.ids.map((id, query) => [id, before.averagePrecision[query]!]));
  const theirs = compared.map(({ rowId }) => precisionBefore.get(rowId) ?? Number.NaN);
  const ours = compared.map(({ averagePrecision }) => averagePrecision);
  context.progress({ phase: 'intervals' });
  const options = { seed, signal };
  const difference = await gainScore(ours, theirs, options);
  const judged = judgeGate('gainOverProduction', RETRIEVAL_GATE_TABLE.gainOverProduction, difference, gate);
  const loss = (query: number): number => theirs[query]! - ours[query]!;
  const lost = [...compared.keys()]
    .filter((query) => loss(query) > 0)
    .toSorted((a, b) => loss(b) - loss(a))
    .map((query) => compared[query]!);
  return {
    comparable: true,
    bundle: production.bundle,
    rows: compared.length,
    rowsKnown: seen === null ? null : details.queries.length - compared.length,
    meanAveragePrecision: {
      production: await meanScore(theirs, options),
      candidate: await meanScore(ours, options),
      difference,
    },
    won: ours.filter((precision, query) => precision > theirs[query]!).length,
    lost: lost.length,
    // The figures of what was asked stand in the evaluation.
    gate: withLostRows(judged, candidate.evaluation.digest, 'queries', lost),
  };
}
