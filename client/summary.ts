/** The evidence in a few lines, for whoever decides; the report has the rest. */
import type { GateResult, RunFacts } from '../activities/contract.ts';
import type { ApprovalName } from '../pipelines/definition.ts';

export interface SummaryRow {
  readonly name: string;
  readonly lines: readonly SummaryLine[];
}

export interface SummaryLine {
  readonly text: string;
  /** Of a line that judges. */
  readonly verdict?: GateResult['verdict'];
}

export function summarise(facts: RunFacts, approval: ApprovalName): readonly SummaryRow[] {
  return approval === 'review' ? reviewRows(facts) : releaseRows(facts);
}

function reviewRows({ data, privacy, candidates, selection, pipeline }: RunFacts): readonly SummaryRow[] {
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
      `${train} train, ${validation} validation, ${test} test rows, ${data?.labels.length ?? '?'} labels, ` +
        `licence ${pipeline.data.licence}${dropped.length === 0 ? '' : `; dropped: ${dropped.join(', ')}`}`,
    ),
    row('privacy', found.join(', ') || 'not scanned'),
    row('models', ...licences),
    row('chosen', `${selection?.winner ?? '?'}: ${reasons}`),
  ];
}

function releaseRows({ gates, bundle }: RunFacts): readonly SummaryRow[] {
  const judged = (gates?.gates ?? []).map(({ verdict, reason }) => ({ verdict, text: reason }));
  return [row('bundle', bundle?.digest ?? '?'), { name: 'gates', lines: judged }];
}

function row(name: string, ...lines: readonly string[]): SummaryRow {
  return { name, lines: lines.map((text) => ({ text })) };
}
