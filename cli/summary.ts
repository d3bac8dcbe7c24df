/** The evidence in a few terminal lines; the page has the rest. */
import type { RunFacts } from '../activities/contract.ts';

export function summarise(facts: RunFacts, approval: 'review' | 'release'): string[] {
  return approval === 'review' ? reviewLines(facts) : releaseLines(facts);
}

function reviewLines({ data, privacy, candidates, selection, pipeline }: RunFacts): string[] {
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
  return [
    `data     ${data?.rows.train ?? '?'} train, ${data?.rows.validation ?? '?'} validation, ${data?.rows.test ?? '?'} test rows, ` +
      `${data?.labels.length ?? '?'} labels, licence ${pipeline.data.licence}${dropped.length === 0 ? '' : `; dropped: ${dropped.join(', ')}`}`,
    `privacy  ${found.join(', ') || 'not scanned'}`,
    ...licences.map((line, index) => `${index === 0 ? 'models   ' : '         '}${line}`),
    `chosen   ${selection?.winner ?? '?'}: ${selection?.ranking.find(({ id }) => id === selection.winner)?.reasons.join(' ') ?? ''}`,
  ];
}

function releaseLines({ gates, bundle }: RunFacts): string[] {
  return [
    `bundle   ${bundle?.digest ?? '?'}`,
    ...(gates?.gates ?? []).map(
      ({ verdict, reason }, index) => `${index === 0 ? 'gates    ' : '         '}${verdict.padEnd(5)}${reason}`,
    ),
  ];
}
