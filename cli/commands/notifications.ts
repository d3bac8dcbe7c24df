/** What was told to whom, and trying whether somebody can be told. */
import { DeliveryLog, type Delivery } from '../../artifacts/delivery-log.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { tryNotifier } from '../../client/notifications.ts';
import { EXIT, printJson, printTable, say, style } from '../output.ts';
import { withContext } from './runs.ts';

export async function list(
  json: boolean,
  run: string | undefined,
  options: { readonly limit: string },
): Promise<number> {
  const limit = Number(options.limit);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 10_000) {
    throw new EspalierError('BadConfig', `--limit '${options.limit}' is not a number from 1 to 10000`, {});
  }
  return withContext(async (context) => {
    const log = new DeliveryLog((await context.store()).pointers);
    const deliveries = await log.list({ limit, ...(run === undefined ? {} : { runId: run }) });
    if (json) printJson(deliveries);
    else if (deliveries.length === 0) say('nobody was told anything');
    else {
      printTable(
        ['WHEN (UTC)', 'NOTIFIER', 'EVENT', 'RUN', 'FOR', 'TRIES', 'STATE'],
        deliveries.map((one) => [
          one.at.slice(0, 16).replace('T', ' '),
          one.notifier,
          one.event,
          one.runId,
          one.approver ?? '',
          String(one.tries),
          stateOf(one),
        ]),
      );
    }
    return EXIT.ok;
  });
}

export async function test(json: boolean, name: string): Promise<number> {
  return withContext(async (context) => {
    const { pointers } = await context.store();
    const deliveries = await tryNotifier(context.env, pointers, name, context.user);
    const ok = deliveries.every(({ state }) => state === 'delivered');
    if (json) printJson(deliveries);
    else {
      const [last] = deliveries.flatMap(({ attempts }) => attempts.slice(-1));
      say(`${ok ? style.green('delivered') : style.red('not delivered')}: ${name} ${last?.detail ?? ''}`);
      if (last?.output !== undefined) say(style.dim(last.output));
    }
    return ok ? EXIT.ok : EXIT.failed;
  });
}

function stateOf({ state, attempts }: Delivery): string {
  return state === 'delivered' ? state : `${state}: ${attempts.at(-1)?.detail ?? ''}`;
}
