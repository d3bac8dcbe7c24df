/** Decisions: what waits for one, what it is to be based on, and handing one in. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { APPROVALS_AT_ONCE, pageOfApprovals } from '../../client/approvals.ts';
import { decisionUrl } from '../../client/decision-links.ts';
import { Decision, Digest, Link, OpenApproval, problems, ShownApproval, Vote } from '../answers.ts';
import { castVote, mannerOf, showApproval } from '../decisions.ts';
import { evidenceOf, sendEvidence } from '../evidence.ts';
import { ApprovalPath, Comment } from '../questions.ts';
import type { Services } from '../services.ts';

const tags = ['approvals'];
const MAX_LINK_SECONDS = 7 * 86_400;

/** @param consoleUrl where people reach this console: known once it listens */
export function approvalRoutes(services: Services, consoleUrl: () => string): FastifyPluginCallbackZod {
  const { client, store, linkKey } = services;
  return (app, _, done) => {
    app.get(
      '/v1/approvals',
      {
        config: { access: 'approvals:read' },
        schema: {
          operationId: 'listApprovals',
          summary: 'What waits for a person, in pages',
          description: 'In the order of the runs, the newest first; the header `Link` has the next page.',
          tags,
          querystring: z.strictObject({
            limit: z.coerce.number().int().min(1).max(1000).default(APPROVALS_AT_ONCE),
            cursor: z.string().min(1).max(4000).optional().describe('As the header `Link` has it.'),
          }),
          response: { 200: z.array(OpenApproval), ...problems(400) },
        },
      },
      async ({ query: { limit, cursor } }, reply) => {
        const { approvals, next } = await pageOfApprovals(client, { limit, cursor });
        if (next !== null) {
          const query = new URLSearchParams({ limit: String(limit), cursor: next });
          reply.header('link', `</v1/approvals?${query.toString()}>; rel="next"`);
        }
        return [...approvals];
      },
    );

    app.get(
      '/v1/runs/:run/approvals/:approval',
      {
        config: { access: 'approvals:read' },
        schema: {
          operationId: 'showApproval',
          summary: 'An approval, the digest of its evidence and the files in it',
          tags,
          params: ApprovalPath,
          response: { 200: ShownApproval, ...problems(400, 404, 409) },
        },
      },
      async ({ params }) => {
        const shown = await showApproval(client, params.run, params.approval);
        const { evidence } = shown;
        return { ...shown, evidenceFiles: evidence === undefined ? [] : (await store.tree(evidence)).entries };
      },
    );

    app.get(
      '/v1/runs/:run/approvals/:approval/evidence/:file',
      {
        config: { access: 'approvals:read' },
        schema: {
          operationId: 'readEvidence',
          summary: 'One file of the evidence, verified: report.html for people, facts.json for machines',
          tags,
          params: ApprovalPath.extend({ file: z.string().min(1).max(1000).describe('Its path, URL-encoded.') }),
          response: {
            200: {
              description: 'the bytes; application/octet-stream for other kinds of file',
              content: {
                'text/html': { schema: z.string() },
                'application/json': { schema: z.unknown() },
              },
            },
            ...problems(400, 404, 409),
          },
        },
      },
      async ({ params }, reply) =>
        sendEvidence(reply, store, evidenceOf(await showApproval(client, params.run, params.approval)), params.file),
    );

    app.post(
      '/v1/runs/:run/approvals/:approval/decision',
      {
        config: { access: 'approvals:decide' },
        schema: {
          operationId: 'decide',
          summary: 'Approve or reject as the user of the token, on the evidence that was looked at',
          description: 'A second decision is answered with 409 and the first one in `decision`.',
          tags,
          params: ApprovalPath,
          body: z.strictObject({
            decision: Vote,
            comment: Comment,
            evidenceDigest: Digest,
            onBehalfOf: z.string().min(1).max(200).optional().describe('Who has delegated their seat to the user.'),
            breakGlass: z.literal(true).optional().describe('Approve alone, for whoever may; marked for ever.'),
          }),
          response: { 200: Decision, ...problems(400, 404, 409, 413, 415, 422) },
        },
      },
      async ({ params: { run, approval }, body, caller }) => {
        const { onBehalfOf, breakGlass, ...vote } = body;
        const manner = await mannerOf(services, { run, approval }, { onBehalfOf, breakGlass }, caller.user);
        return castVote(services, run, { approval, ...vote, ...manner }, caller);
      },
    );

    app.post(
      '/v1/runs/:run/approvals/:approval/link',
      {
        config: { access: 'approvals:decide' },
        schema: {
          operationId: 'makeLink',
          summary: 'A link under which the user of the token can decide in a browser, without a token',
          tags,
          params: ApprovalPath,
          body: z.strictObject({ seconds: z.int().min(60).max(MAX_LINK_SECONDS).default(86_400) }),
          response: { 201: Link, ...problems(400, 404, 409, 413, 415) },
        },
      },
      async ({ params: { run, approval }, body: { seconds }, caller: { user } }, reply) => {
        const evidence = evidenceOf(await showApproval(client, run, approval)).digest;
        const expires = Math.floor(Date.now() / 1000) + seconds;
        const link = { runId: run, approval, approver: user, evidence, expires };
        reply.code(201);
        return {
          url: decisionUrl(consoleUrl(), link, linkKey),
          expiresAt: new Date(expires * 1000).toISOString(),
        };
      },
    );
    done();
  };
}
