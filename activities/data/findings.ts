/** What the steps that prepare data tell of the rows they leave out: the same for texts, prompts and pictures. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { DataFinding } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import type { BadRow } from './checks.ts';
import { compareText, groupBy } from './group.ts';

/** For people; all are in the file. */
const SHOWN_FINDINGS = 50;

/** Stores all findings, and gives the first of them along. */
export async function putFindings(
  findings: readonly DataFinding[],
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<{ readonly findings: readonly DataFinding[]; readonly findingsFile: ArtifactRef }> {
  const lines = findings.map((finding) => `${canonicalJson(finding)}\n`).join('');
  const file = { name: 'findings.jsonl', mediaType: 'application/jsonl', signal };
  return { findings: findings.slice(0, SHOWN_FINDINGS), findingsFile: await store.putBytes(lines, file) };
}

/** How many rows each reason left out. */
export function countReasons(leftOut: readonly Pick<BadRow, 'reason'>[]): Record<string, number> {
  return Object.fromEntries(
    [...groupBy(leftOut, ({ reason }) => reason)].map(([reason, group]) => [reason, group.length]),
  );
}

/** By file, then by line. */
export function byPlace(left: BadRow, right: BadRow): number {
  return compareText(left.file, right.file) || left.line - right.line;
}
