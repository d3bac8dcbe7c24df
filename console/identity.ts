/** Who calls, and whether they may: every route says what it takes, and one that does not cannot be added. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EspalierError } from '../artifacts/errors.ts';
import type { Caller } from '../client/caller.ts';
import type { Scope } from '../client/tokens.ts';
import type { Failures } from './failures.ts';
import type { Identities } from './identities.ts';

/** A caller with this scope, the signature in the link itself, a browser's session that the page looks at, or nothing. */
export type Access = Scope | 'signed-link' | 'session' | 'anyone';

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly access?: Access;
  }
  interface FastifyRequest {
    /** Who was recognised: nobody else can be acted for. */
    caller: Caller;
  }
}

/** Of requests to routes that recognise nobody. */
const NOBODY: Caller = { user: '', authentication: { method: 'signed-link' } };

export function guardRoutes(app: FastifyInstance, identities: Identities, failures: Failures): void {
  app.decorateRequest('caller');
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.access === undefined) throw new Error(`the route ${String(method)} ${url} does not say who may use it`);
  });
  app.addHook('onRequest', async (request) => {
    request.caller = NOBODY;
    const { access } = request.routeOptions.config;
    // Undefined: there is no such route, and the answer is 404.
    if (access === undefined || access === 'anyone') return;
    failures.check(request.ip);
    if (access === 'signed-link' || access === 'session') return;
    request.caller = await callerOf(request, access, identities, failures);
  });
}

async function callerOf(
  request: FastifyRequest,
  scope: Scope,
  identities: Identities,
  failures: Failures,
): Promise<Caller> {
  try {
    const { caller, scopes, by } = await identities.identify(request);
    if (scopes.includes(scope)) return caller;
    throw new EspalierError('Forbidden', `this needs a token with the scope ${scope}`, {
      where: 'Authorization',
      fix: `${by} ${scopes.join(', ') || 'nothing'}`,
    });
  } catch (error) {
    // Who sends nothing at all has not guessed.
    const guessed = request.headers.authorization !== undefined;
    if (guessed && error instanceof EspalierError && error.kind === 'Unauthenticated') failures.add(request.ip);
    throw error;
  }
}
