import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import { voterText } from '../artifacts/votes.ts';
import { style } from './output.ts';

const COLOURS = { approve: style.green, reject: style.red, 'request-changes': style.yellow } as const;

/** One vote: who, for whom, what, and whether it still counts. */
export function voteLine(vote: ApprovalRecord): string {
  const { decision, comment, voided } = vote;
  const said = `${COLOURS[decision](decision)} by ${voterText(vote)}${comment === '' ? '' : `: ${comment}`}`;
  return voided === undefined ? said : `${said} ${style.dim(`(void: ${voided.reason})`)}`;
}
