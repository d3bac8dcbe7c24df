import { EspalierError } from '../../artifacts/errors.ts';
import { decisionUrl } from '../../client/decision-links.ts';
import { showRun } from '../../client/runs.ts';
import { expiryOf } from '../expiry.ts';
import { EXIT, printJson, say, style } from '../output.ts';
import { withContext } from './runs.ts';

interface Options {
  readonly as: string;
  readonly expires: string;
  readonly url?: string;
}

/** Where `espalier console` listens unless it is told otherwise. */
const DEFAULT_URL = 'http://127.0.0.1:7330';

/** Signs a link for an approver to the evidence as it is now. */
export async function link(json: boolean, runId: string, approval: string, options: Options): Promise<number> {
  const expiresAt = expiryOf(options.expires);
  return withContext(async (context) => {
    const consoleUrl = options.url ?? context.env['ESPALIER_CONSOLE_URL'] ?? DEFAULT_URL;
    if (!URL.canParse(consoleUrl)) {
      throw new EspalierError('BadConfig', `'${consoleUrl}' is not a URL`, {
        where: '--url',
        fix: `write e.g. ${DEFAULT_URL}`,
      });
    }
    const { client } = await context.temporal();
    const open = (await showRun(client, runId)).approvals.find(
      (one) => one.approval === approval && one.state === 'open',
    );
    if (open?.evidence === undefined) {
      throw new EspalierError('Conflict', `no approval '${approval}' is open in ${runId}`, {
        fix: '`espalier approvals list` shows what waits for a decision',
      });
    }
    const link = {
      runId,
      approval: open.approval,
      approver: options.as,
      evidence: open.evidence.digest,
      expires: Math.floor(expiresAt.getTime() / 1000),
    };
    const url = decisionUrl(consoleUrl, link, context.linkKey());
    if (json) printJson({ url, expiresAt: expiresAt.toISOString() });
    else process.stdout.write(`${url}\n`);
    say(
      style.dim(
        `whoever opens it decides as ${options.as}, until ${expiresAt.toISOString()}; needs the console: ${consoleUrl}`,
      ),
    );
    return EXIT.ok;
  });
}
