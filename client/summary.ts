/** The evidence in a few lines, for whoever decides; the report has the rest. */
import type { GateResult, ModelComparison, PairedScore } from '../activities/contract/validation.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { GeneratorComparison } from '../activities/contract/prompting.ts';
import type { RetrieverComparison } from '../activities/contract/retrieval.ts';
import type { DossierCount } from '../artifacts/evidence-dossier.ts';
import { shortDigest } from '../artifacts/reference.ts';
import type { ApprovalName } from '../pipelines/definition.ts';
import { pricedAnswers } from '../pipelines/inference-cost.ts';

export interface SummaryRow {
  readonly name: string;
  readonly lines: readonly SummaryLine[];
}

export interface SummaryLine {
  readonly text: string;
  /** Of a line that judges. */
  readonly verdict?: GateResult['verdict'];
}

/** `dossier`: as the evidence pack has it; packs made before there was one have none. */
export function summarise(facts: RunFacts, approval: ApprovalName, dossier?: DossierCount): readonly SummaryRow[] {
  const rows = approval === 'review' ? reviewRows(facts) : releaseRows(facts);
  if (dossier === undefined) return rows;
  const { open, fields, later } = dossier;
  const more = later === 0 ? '' : `; the run fills ${later} more as it goes on`;
  return [...rows, row('dossier', `${open} of ${fields} fields open${more}`)];
}

function reviewRows(facts: RunFacts): readonly SummaryRow[] {
  const { reopened, data, privacy, candidates, selection, pipeline } = facts;
  const licences = (candidates ?? []).map(({ id, resolved, error }) =>
    resolved === undefined
      ? `${id}: dropped, ${error?.kind ?? 'no result'}`
      : `${id}: licence ${resolved.licence.declared ?? 'not declared'} → ${resolved.licence.verdict}`,
  );
  const found = Object.entries(privacy?.counts ?? {}).map(([kind, splits]) => {
    const rows = Object.values(splits).reduce((sum, split) => sum + split.rows, 0);
    return `${kind} in ${rows} rows`;
  });
  const dropped = Object.entries(data?.dropped ?? {}).map(([reason, count]) => `${count} ${reason}`);
  const { train = '?', validation = '?', test = '?' } = data?.rows ?? {};
  const reasons = selection?.ranking.find(({ id }) => id === selection.winner)?.reasons.join(' ') ?? '';
  return [
    row(
      'data',
      `${train} train, ${validation} validation, ${test} test rows, ${contents(data)}, ` +
        `licence ${pipeline.data.licence}${dropped.length === 0 ? '' : `; dropped: ${dropped.join(', ')}`}`,
    ),
    row('privacy', found.join(', ') || 'not scanned'),
    ...(reopened === undefined ? [] : [row('reopened', ...reopened.reasons)]),
    row('models', ...licences),
    row('chosen', `${selection?.winner ?? '?'}: ${reasons}`),
    ...costRows(facts),
  ];
}

/** What each candidate costs to ask, once: its frozen form is the same encoder. Nothing without prices. */
function costRows({ selection, candidates = [] }: RunFacts): readonly SummaryRow[] {
  const { price, ranking = [] } = selection ?? {};
  if (price === undefined) return [];
  const costs = ranking.flatMap(({ id, form, costPer1000: cost }) =>
    cost === undefined || form === 'frozen' ? [] : [`${id}: ${Number(cost.toPrecision(3))} ${price.currency}`],
  );
  const inferences = pricedAnswers(candidates, (tokens) => String(Number(tokens.toPrecision(3)))) || 'inferences';
  return [row('cost', `1,000 ${inferences}, on a slot of ${price.queue} (${price.source}): ${costs.join(', ')}`)];
}

/** Rows of prompts have no labels. */
function contents(data: RunFacts['data']): string {
  if (data?.completions !== undefined) return `${data.completions} training rows with a good answer`;
  return `${data?.labels.length ?? '?'} labels`;
}

function releaseRows(facts: RunFacts): readonly SummaryRow[] {
  const { gates, bundle, terms, production, exported } = facts;
  const beside = [compared(facts)?.gate, facts.comparison?.macroF1Gate].filter((gate) => gate !== undefined);
  const judged = [...(gates?.gates ?? []), ...beside].map(({ name, verdict, reason }) => ({
    verdict,
    text: `${name}: ${reason}`,
  }));
  return [
    row('bundle', bundle?.digest ?? '?'),
    ...(exported !== undefined && 'road' in exported ? [row('served', `${exported.road}: ${exported.reason}`)] : []),
    ...(production === undefined ? [] : [row('replaces', besideProduction(production, facts))]),
    ...(terms === undefined ? [] : [row('licence', `${terms.verdict}: ${terms.reasons.join('; ')}`)]),
    { name: 'gates', lines: judged },
  ];
}

/** Whatever the run's task. */
function compared({ comparison, generationComparison, retrievalComparison }: RunFacts) {
  return comparison ?? generationComparison ?? retrievalComparison;
}

function besideProduction(production: RunFacts['production'], facts: RunFacts): string {
  if (production == null) return 'nothing: nothing is in production';
  const bundle = shortDigest(production.bundle);
  const comparison = compared(facts);
  if (comparison?.comparable !== true) {
    return `${bundle}, not compared: ${comparison?.reason ?? production.problem ?? 'no comparison was made'}`;
  }
  const { won, lost, rows } = comparison;
  const [name, paired] = comparedOn(comparison);
  const { value, interval } = paired.difference;
  const points = (share: number | null | undefined): string => ((share ?? Number.NaN) * 100).toFixed(1);
  return (
    `${bundle}: ${won} rows won, ${lost} lost of ${rows}; ${name} ${points(value)} points ` +
    `(${points(interval?.low)} to ${points(interval?.high)})` +
    ('midP' in comparison ? `, McNemar mid-p ${Number(comparison.midP.toPrecision(3))}` : '')
  );
}

type Compared<Comparison> = Extract<Comparison, { readonly comparable: true }>;

function comparedOn(
  comparison: Compared<ModelComparison> | Compared<GeneratorComparison> | Compared<RetrieverComparison>,
): readonly [name: string, paired: Pick<PairedScore, 'difference'>] {
  if ('accuracy' in comparison) return ['accuracy', comparison.accuracy];
  return 'adherence' in comparison ? ['adherence', comparison.adherence] : ['mAP', comparison.meanAveragePrecision];
}

function row(name: string, ...lines: readonly string[]): SummaryRow {
  return { name, lines: lines.map((text) => ({ text })) };
}
