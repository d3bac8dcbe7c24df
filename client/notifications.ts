/** Notifiers as a worker or a command opens them, with links into the console; and trying one. */
import { deliver, type Notifying } from '../activities/notification/deliver.ts';
import { readNotifiers } from '../activities/notification/notifiers.ts';
import type { Delivery } from '../artifacts/delivery-log.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import type { Environment } from './connection.ts';
import { checkedLinkKey, decisionUrl } from './decision-links.ts';

/** A link works as long as the approval is open; of one without a deadline, this long. */
const LINK_SECONDS = 86_400;

/** @throws EspalierError BadConfig for a file, a console's URL or a link key that cannot be used */
export function openNotifying(env: Environment): Notifying {
  const [consoleUrl, linkKey] = [env['ESPALIER_CONSOLE_URL'], env['ESPALIER_LINK_KEY']];
  const notifiers = readNotifiers(env);
  if (!consoleUrl || notifiers.length === 0) return { notifiers, env };
  if (!URL.canParse(consoleUrl) || !/^https?:$/.test(new URL(consoleUrl).protocol)) {
    throw new EspalierError('BadConfig', `'${consoleUrl}' is not a URL of a console`, {
      where: 'ESPALIER_CONSOLE_URL',
      fix: 'write e.g. https://espalier.example.org',
    });
  }
  if (!linkKey) return { notifiers, env, consoleUrl };
  const key = checkedLinkKey(linkKey);
  return {
    notifiers,
    env,
    consoleUrl,
    signed({ runId, approval, evidence, deadline }, approver) {
      if (approval === undefined || evidence === undefined) return undefined;
      const until = deadline === undefined ? Date.now() + LINK_SECONDS * 1000 : Date.parse(deadline);
      return decisionUrl(consoleUrl, { runId, approval, approver, evidence, expires: Math.floor(until / 1000) }, key);
    },
  };
}

/**
 * Sends one notifier a message that says that it is a test, once, whatever events it is for.
 * @throws EspalierError NotFound when there is none by this name; BadConfig
 */
export async function tryNotifier(
  env: Environment,
  pointers: Pointers,
  name: string,
  by: string,
): Promise<readonly Delivery[]> {
  const notifying = openNotifying(env);
  const notifier = notifying.notifiers.find((one) => one.name === name);
  if (notifier === undefined) {
    const names = notifying.notifiers.map((one) => one.name).join(', ');
    throw new EspalierError('NotFound', `there is no notifier '${name}'`, {
      where: 'ESPALIER_NOTIFIERS',
      fix: names === '' ? 'the variable names no file with notifiers' : `there are ${names}`,
    });
  }
  const at = new Date().toISOString();
  const { events: _, ...always } = notifier;
  // Without an approval: nobody gets a link that decides anything.
  const event = { event: 'run.ended', runId: 'test', pipeline: 'test', at, by, state: 'test' } as const;
  const reason = 'this is a test: nothing has ended';
  return deliver(
    { ...event, reason },
    {
      ...notifying,
      notifiers: [always],
      pointers,
      signal: new AbortController().signal,
      unique: `test ${at}`,
      last: true,
    },
  );
}
