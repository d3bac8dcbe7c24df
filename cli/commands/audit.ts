/** The audit log: reading it, and finding out whether it may be believed. */
import type { AuditEntry } from '../../artifacts/audit-entry.ts';
import { summariseEvent } from '../../artifacts/audit-events.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { isDigest } from '../../artifacts/reference.ts';
import { EXIT, printJson, printTable, say, style } from '../output.ts';
import { withContext } from './runs.ts';

export async function list(json: boolean, options: { limit: string; action?: string }): Promise<number> {
  const limit = Number(options.limit);
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new EspalierError('BadConfig', `--limit '${options.limit}' is not a count`, {
      where: '--limit',
      fix: 'write a whole number from 1',
    });
  }
  return withContext(async (context) => {
    const { audit } = await context.store();
    const newest: AuditEntry[] = [];
    for await (const entry of audit.entries()) {
      if (options.action !== undefined && entry.event.action !== options.action) continue;
      newest.push(entry);
      if (newest.length > limit) newest.shift();
    }
    if (json) printJson(newest);
    else if (newest.length === 0) say('the audit log has no such entry');
    else {
      printTable(
        ['ENTRY', 'AT (UTC)', 'WHAT', ''],
        newest.map(({ seq, at, event }) => [
          String(seq),
          at.slice(0, 19).replace('T', ' '),
          event.action,
          printable(summariseEvent(event)),
        ]),
      );
    }
    return EXIT.ok;
  });
}

export async function verify(json: boolean, options: { head?: string }): Promise<number> {
  const { head: kept } = options;
  if (kept !== undefined && !isDigest(kept)) {
    throw new EspalierError('BadConfig', `--head '${kept}' is not a digest`, {
      where: '--head',
      fix: 'give what an earlier `espalier audit verify` printed as its head',
    });
  }
  return withContext(async (context) => {
    const verdict = await (await context.store()).audit.verify(kept);
    if (json) printJson(verdict);
    else if (verdict.ok) {
      process.stdout.write(`${verdict.entries} entries, whole\nhead ${verdict.head ?? 'none: the log is empty'}\n`);
      if (kept === undefined) say(style.dim('keep the head elsewhere: with --head a cut-off end is found, too'));
    } else {
      say(`${style.red('broken')} after ${verdict.entries} good entries: ${verdict.problem}`);
    }
    return verdict.ok ? EXIT.ok : EXIT.failed;
  });
}

/** Comments and names are strangers' text: nothing of it may steer the terminal or draw a row of its own. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, ' ');
}
