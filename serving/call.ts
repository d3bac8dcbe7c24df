/** A request on its way through the routes: what it may use, what it is answered with, and the model that it names. */
import type { IncomingMessage } from 'node:http';
import type { Follower, ModelState } from './follower.ts';
import type { Metrics } from './metrics.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Recorder } from './recorder.ts';
import type { ServedModel } from './served-model.ts';

export interface Services {
  readonly follower: Follower;
  readonly recorder: Recorder;
  readonly metrics: Metrics;
  readonly version: string;
  readonly channel: string;
  readonly maxBodyBytes: number;
  /** Tokens that an answer may have at most. */
  readonly maxTokens: number;
  readonly draining: () => boolean;
  /** A drain's deadline is over: what is still under way loses its connection, by the server's own doing. */
  readonly cuttingOff: () => boolean;
}

/** The reason of a signal whose client went away: what ends by it is no failure of the server's. */
export class ClientGone extends Error {
  constructor() {
    super('the client is gone');
    this.name = 'ClientGone';
  }
}

export interface Call {
  readonly services: Services;
  readonly request: IncomingMessage;
  readonly requestId: string;
  /** Aborted with `ClientGone`, or with an error where the server itself cuts the answer off. */
  readonly signal: AbortSignal;
  /** As the client named it: in the path, or in the body, and then empty until that is read. Metrics and logs ask here. */
  model: string;
  /** Of the path; undefined asks for whatever is served. */
  readonly version: string | undefined;
}

/** What is sent as `data:` lines, one an event, as they come. */
export class EventStream {
  readonly events: AsyncIterable<string>;
  constructor(events: AsyncIterable<string>) {
    this.events = events;
  }
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A value is sent as JSON; `EventStream` as server-sent events. */
  readonly body: unknown;
}

/** The model of the path, served. Throws ProtocolError: 404 unknown model or version, 503 known but nothing to serve. */
export function find({ services, model: name, version }: Call): {
  readonly state: ModelState;
  readonly served: ServedModel;
} {
  const state = services.follower.states.get(name);
  if (state === undefined) throw new ProtocolError(404, `unknown model '${name}'`);
  const { served } = state;
  if (served === undefined) {
    throw new ProtocolError(503, nothingServed(name, state));
  }
  if (version !== undefined && version !== served.release.version) {
    throw new ProtocolError(
      404,
      `unknown version '${version}' of model '${name}': ${served.release.version} is served`,
    );
  }
  return { state, served };
}

export function nothingServed(name: string, { refused }: ModelState): string {
  return `model '${name}' has no version that may be served: ${refused?.reason ?? 'loading'}`;
}
