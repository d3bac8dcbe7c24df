/** Who lets whom fill their seat: given, listed and revoked. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { delegate, listDelegations, revokeDelegation } from '../../client/delegations.ts';
import { Delegation, problems, RevokedDelegation } from '../answers.ts';
import type { Services } from '../services.ts';

const tags = ['approvals'];

export function delegationRoutes({ pointers }: Services): FastifyPluginCallbackZod {
  return (app, _, done) => {
    app.get(
      '/v1/delegations',
      {
        config: { access: 'approvals:read' },
        schema: {
          operationId: 'listDelegations',
          summary: 'Every delegation that has neither ended nor been revoked',
          tags,
          response: { 200: z.array(Delegation), ...problems() },
        },
      },
      () => listDelegations(pointers),
    );

    app.post(
      '/v1/delegations',
      {
        config: { access: 'approvals:decide' },
        schema: {
          operationId: 'delegate',
          summary: "Let somebody fill the caller's seats in one role, for a time",
          description:
            'Of who has signed in with the identity provider, the role has to be one that it says they hold now.',
          tags,
          body: z.strictObject({
            to: z.string().min(1).max(200),
            role: z.string().min(1).max(200),
            startsAt: z.string().max(40).optional(),
            endsAt: z.string().max(40),
          }),
          response: { 201: Delegation, ...problems(400, 413, 415, 422) },
        },
      },
      async ({ body, caller: { user, roles } }, reply) => {
        const { startsAt = new Date().toISOString(), ...asked } = body;
        if (roles?.includes(asked.role) === false) {
          throw new EspalierError(
            'ApprovalRefused',
            `the identity provider says '${user}' holds ${roles.join(', ') || 'no role'}`,
            {
              where: 'role',
              fix: 'delegate a role that you hold',
            },
          );
        }
        reply.code(201);
        return delegate(pointers, {
          from: user,
          startsAt,
          ...asked,
          ...(roles === undefined ? {} : { roleFrom: 'oidc' }),
        });
      },
    );

    app.delete(
      '/v1/delegations/:id',
      {
        config: { access: 'approvals:decide' },
        schema: {
          operationId: 'revokeDelegation',
          summary: 'Take back what the caller has delegated, at once; votes that were cast stay',
          tags,
          params: z.object({ id: z.string().min(1).max(100) }),
          querystring: z.strictObject({ reason: z.string().max(1000).default('') }),
          response: { 200: RevokedDelegation, ...problems(400, 404, 409) },
        },
      },
      ({ params: { id }, query: { reason }, caller: { user } }) => revokeDelegation(pointers, id, { by: user, reason }),
    );
    done();
  };
}
