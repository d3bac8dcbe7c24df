/** What a receiver gets of an event: the same for webhooks and commands. Pure. */
import { createHash } from 'node:crypto';
import type { NotificationEvent } from './events.ts';
import type { Notifier } from './notifiers.ts';

export interface Message {
  /** The same at every try: a receiver that has it knows it again. */
  readonly id: string;
  /** JSON. */
  readonly body: string;
  /** Whom it is for, of a notifier that writes to each approver. */
  readonly approver?: string;
}

/** How one try ended. */
export type Attempt = {
  /** HTTP status or exit code. */
  readonly status?: number;
  /** A few words, without addresses or secrets. */
  readonly detail: string;
  readonly output?: string;
} & ({ readonly ok: true } | { readonly ok: false; /** Trying again would be no use. */ readonly final: boolean });

/** How links are made, where this worker knows where the console is. */
export interface Links {
  readonly consoleUrl?: string;
  /** A link by which this approver decides without an account. Only for a message to that very approver. */
  readonly signed?: (event: NotificationEvent, approver: string) => string | undefined;
}

/**
 * The messages of an event to one notifier. A link in a message that several may read is the approval's page, which
 * asks for a sign-in; a signed link stands only in a message to its own approver.
 */
export function messagesOf(
  notifier: Notifier,
  event: NotificationEvent,
  unique: string,
  links: Links,
): readonly Message[] {
  if (notifier.events !== undefined && !notifier.events.includes(event.event)) return [];
  const addressed = notifier.perApprover ? [...new Set(event.approvers ?? [])] : [];
  const page = pageOf(event, links);
  const common = page === undefined ? {} : { link: page };
  if (addressed.length === 0) return [message(notifier, event, unique, common)];
  return addressed.map((approver) => {
    const link = links.signed?.(event, approver) ?? page;
    return message(notifier, event, unique, { approver, ...(link === undefined ? {} : { link }) });
  });
}

function message(
  { name }: Notifier,
  event: NotificationEvent,
  unique: string,
  own: { readonly approver?: string; readonly link?: string },
): Message {
  const { event: type, at: timestamp, ...data } = event;
  const hash = createHash('sha256')
    .update(JSON.stringify([unique, event, name, own.approver ?? null]))
    .digest('hex');
  return {
    id: `msg_${hash.slice(0, 32)}`,
    // The form that Standard Webhooks recommends.
    body: JSON.stringify({ type, timestamp, data: { ...data, ...own } }),
    ...(own.approver === undefined ? {} : { approver: own.approver }),
  };
}

/** Where the console shows what the event is about. */
function pageOf({ runId, approval }: NotificationEvent, { consoleUrl }: Links): string | undefined {
  if (consoleUrl === undefined) return undefined;
  const path = approval === undefined ? '/approvals' : `/approvals/${encodeURIComponent(runId)}/${approval}`;
  return new URL(path, consoleUrl).href;
}
