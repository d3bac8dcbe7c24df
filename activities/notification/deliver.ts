/** Delivers an event to every notifier that wants it: each message once, if it can be done at all, and all that happened in the log. */
import { limiter } from '../../artifacts/concurrency.ts';
import { DeliveryLog, type Delivery } from '../../artifacts/delivery-log.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import { runCommand } from './command.ts';
import type { NotificationEvent } from './events.ts';
import { messagesOf, type Attempt, type Links, type Message } from './message.ts';
import type { Environment, Notifier } from './notifiers.ts';
import { sendWebhook } from './webhook.ts';

/** What a worker knows of notifiers. */
export interface Notifying extends Links {
  readonly notifiers: readonly Notifier[];
  /** Where their secrets lie. */
  readonly env: Environment;
}

interface Delivering extends Notifying {
  readonly pointers: Pointers;
  readonly signal: AbortSignal;
  /** Tells this event from one that looks the same: ids are made of it. */
  readonly unique: string;
  /** Nothing is tried after this. */
  readonly last: boolean;
}

/** Many approvers are many messages. */
const MESSAGES_AT_ONCE = 32;

/** Tries every message that is not through yet, side by side: a receiver that is down holds up no other. */
export async function deliver(event: NotificationEvent, how: Delivering): Promise<readonly Delivery[]> {
  const atOnce = limiter(MESSAGES_AT_ONCE);
  const tasks = how.notifiers.flatMap((notifier) =>
    messagesOf(notifier, event, how.unique, how).map((message) =>
      atOnce(() => deliverOne(notifier, message, event, how)),
    ),
  );
  return Promise.all(tasks);
}

async function deliverOne(
  notifier: Notifier,
  message: Message,
  { event, at, runId, approval }: NotificationEvent,
  { pointers, env, signal, last }: Delivering,
): Promise<Delivery> {
  const log = new DeliveryLog(pointers);
  const about = {
    id: message.id,
    notifier: notifier.name,
    type: notifier.type,
    event,
    runId,
    at,
    ...(approval === undefined ? {} : { approval }),
    ...(message.approver === undefined ? {} : { approver: message.approver }),
  };
  const before = await log.read(about);
  if (before !== undefined && before.state !== 'trying') return before;
  const attempt: Attempt =
    notifier.type === 'webhook'
      ? await sendWebhook(notifier, message, env, signal)
      : await runCommand(notifier, message, env, signal);
  const { ok, detail, status, output } = attempt;
  const state = attempt.ok ? 'delivered' : attempt.final || last ? 'failed' : 'trying';
  const entry = {
    at: new Date().toISOString(),
    ok,
    detail,
    ...(status === undefined ? {} : { status }),
    ...(output === undefined ? {} : { output }),
  };
  return log.add(about, entry, state);
}
