/** The HTTP API of runs, approvals and models, and the pages of signed links. It adds HTTP and identity to client/, nothing else. */
import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { EspalierError } from '../artifacts/errors.ts';
import { DOCUMENT } from './document.ts';
import { Failures } from './failures.ts';
import { Identities } from './identities.ts';
import { guardRoutes } from './identity.ts';
import { problemOf, PROBLEM_TYPE } from './problems.ts';
import { aboutRoutes } from './routes/about.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { delegationRoutes } from './routes/delegations.ts';
import { decisionPages } from './routes/decision-pages.ts';
import { modelRoutes } from './routes/models.ts';
import { runRoutes } from './routes/runs.ts';
import { signInRoutes } from './routes/sign-in.ts';
import { signedInPages } from './routes/signed-in-pages.ts';
import { stepRoutes } from './routes/steps.ts';
import type { Services } from './services.ts';

export { readOidcSettings } from './oidc/settings.ts';
export type { ServedPipeline, Services } from './services.ts';

export interface RunningConsole {
  readonly url: string;
  /** Takes no more requests, answers those under way. */
  close(): Promise<void>;
}

/** Nothing that callers send is larger. */
const BODY_LIMIT = 64 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/** @throws EspalierError Conflict when the port is taken */
export async function startConsole(
  services: Services,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<RunningConsole> {
  let url = '';
  const app = await createConsole(services, () => services.publicUrl ?? url);
  try {
    url = await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new EspalierError('Conflict', `the console cannot listen on ${host}:${port}: ${(error as Error).message}`, {
      fix: 'name another port with --port',
      cause: error,
    });
  }
  return { url, close: () => app.close() };
}

async function createConsole(services: Services, consoleUrl: () => string): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: services.trustedProxies ?? false,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 1000 },
  });
  app.setValidatorCompiler(validatorCompiler);
  // Sent as it is: a field that the document does not know yet is better told than lost, and a test finds it.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.addHook('onRequest', async (_, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, request.id);
    if (problem.status >= 500) services.onError(error, request.id);
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
    if (problem.status === 429) reply.header('retry-after', '60');
    return reply.code(problem.status).type(PROBLEM_TYPE).send(problem);
  });
  app.setNotFoundHandler(({ method, url }) => {
    throw new EspalierError('NotFound', `there is no ${method} ${url.split('?')[0]}`, { fix: 'see /openapi.json' });
  });
  const failures = new Failures();
  await app.register(swagger, DOCUMENT);
  const identities = new Identities(services, consoleUrl);
  guardRoutes(app, identities, failures);
  await app.register(aboutRoutes);
  await app.register(runRoutes(services));
  await app.register(stepRoutes(services));
  await app.register(approvalRoutes(services, consoleUrl));
  await app.register(delegationRoutes(services));
  await app.register(modelRoutes(services));
  await app.register(decisionPages(services, failures));
  await app.register(signInRoutes(services, identities, failures));
  await app.register(signedInPages(services, identities));
  return app;
}
