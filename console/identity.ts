/** Who calls, and whether they may: every route says what it takes, and one that does not cannot be added. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { authenticate, unauthenticated, type Scope } from '../client/tokens.ts';
import type { Failures } from './failures.ts';

/** A token with this scope, the signature in the link itself, or nothing. */
export type Access = Scope | 'signed-link' | 'anyone';

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly access?: Access;
  }
  interface FastifyRequest {
    /** Whose token came with the request: the only name under which it acts. */
    user: string;
  }
}

export function guardRoutes(app: FastifyInstance, pointers: Pointers, failures: Failures): void {
  app.decorateRequest('user', '');
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.access === undefined) throw new Error(`the route ${String(method)} ${url} does not say who may use it`);
  });
  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config;
    // Undefined: there is no such route, and the answer is 404.
    if (access === undefined || access === 'anyone') return;
    failures.check(request.ip);
    if (access !== 'signed-link') request.user = await userOf(request, access, pointers, failures);
  });
}

async function userOf(request: FastifyRequest, scope: Scope, pointers: Pointers, failures: Failures): Promise<string> {
  const [, text] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (text === undefined) throw unauthenticated('an API token is missing');
  try {
    const { user, scopes } = await authenticate(pointers, text);
    if (scopes.includes(scope)) return user;
    throw new EspalierError('Forbidden', `this needs a token with the scope ${scope}`, {
      where: 'Authorization',
      fix: `this token has ${scopes.join(', ')}`,
    });
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'Unauthenticated') failures.add(request.ip);
    throw error;
  }
}
