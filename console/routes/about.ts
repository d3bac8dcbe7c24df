/** What anybody may know: that it lives, and how to talk to it. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { version } from '../document.ts';

const open = { tags: ['about'], security: [] };

export const aboutRoutes: FastifyPluginCallbackZod = (app, _, done) => {
  app.get(
    '/health',
    {
      config: { access: 'anyone' },
      schema: {
        ...open,
        operationId: 'health',
        summary: 'This process answers; whether Temporal and the store do, the other routes say',
        response: { 200: z.object({ status: z.literal('ok'), version: z.string() }) },
      },
    },
    () => ({ status: 'ok' as const, version }),
  );

  app.get(
    '/openapi.json',
    {
      config: { access: 'anyone' },
      schema: {
        ...open,
        operationId: 'document',
        summary: 'This document',
        response: { 200: z.unknown().describe('OpenAPI 3.1.') },
      },
    },
    () => app.swagger(),
  );
  done();
};
