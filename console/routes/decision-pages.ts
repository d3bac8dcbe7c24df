/** What a signed link opens: its signature stands for a token, and says for whom, for what and until when. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { evidenceDossier } from '../../artifacts/evidence-dossier.ts';
import { evidenceFacts } from '../../artifacts/release-chain.ts';
import { checkDecisionLink } from '../../client/decision-links.ts';
import { summarise } from '../../client/summary.ts';
import { Digest } from '../answers.ts';
import { castVote, mannerOf, showApproval, waysToVote } from '../decisions.ts';
import { sendEvidence } from '../evidence.ts';
import type { Failures } from '../failures.ts';
import { decisionPage, type DecisionPage } from '../pages/decision-page.ts';
import { ProblemError } from '../problems.ts';
import { ApprovalPath, Buttons } from '../questions.ts';
import type { Services } from '../services.ts';
import { answerWithPages, sendPage } from './pages.ts';

const SignedQuery = z.strictObject({
  approver: z.string().min(1).max(200),
  evidence: Digest,
  expires: z.coerce.number().int().min(0),
  signature: z.string().max(100),
});
type Path = z.output<typeof ApprovalPath>;
type Query = z.output<typeof SignedQuery>;

const answer = { 'text/html': { schema: z.string() } };
const shared = { tags: ['signed links'], security: [], params: ApprovalPath, querystring: SignedQuery };
const response = {
  200: { description: 'the page', content: answer },
  default: { description: 'why not, as a page', content: answer },
};

export function decisionPages(services: Services, failures: Failures): FastifyPluginCallbackZod {
  const { client, store, linkKey } = services;

  /** The page's parts. @throws EspalierError NotFound when the run is gone */
  async function shown(path: Path, query: Query): Promise<DecisionPage> {
    const { approver, evidence } = query;
    const approval = await showApproval(client, path.run, path.approval);
    const facts = await evidenceFacts<RunFacts>(store, evidence);
    return {
      approval,
      ...(await waysToVote(services, approval, facts, approver)),
      approver,
      evidence,
      summary: summarise(facts, path.approval, await evidenceDossier(store, evidence)),
      reportUrl: `/decide/${encodeURIComponent(path.run)}/${path.approval}/report?${search(query)}`,
    };
  }

  return (app, _, done) => {
    app.addHook('preHandler', async ({ params, query, ip }) => {
      const { run, approval } = params as Path;
      const { signature, ...link } = query as Query;
      try {
        checkDecisionLink({ runId: run, approval, ...link }, signature, linkKey);
      } catch (error) {
        failures.add(ip);
        throw error;
      }
    });
    answerWithPages(app, services);

    app.get(
      '/decide/:run/:approval',
      {
        config: { access: 'signed-link' },
        schema: { ...shared, operationId: 'openLink', summary: 'The evidence with the buttons beside it', response },
      },
      async ({ params, query }, reply) => sendPage(reply, decisionPage(await shown(params, query))),
    );

    app.get(
      '/decide/:run/:approval/report',
      {
        config: { access: 'signed-link' },
        schema: {
          ...shared,
          operationId: 'openLinkedReport',
          summary: 'The report that the link is bound to',
          response,
        },
      },
      async ({ query }, reply) => {
        await sendEvidence(reply, store, query.evidence, 'report.html');
        return reply;
      },
    );

    app.post(
      '/decide/:run/:approval',
      {
        config: { access: 'signed-link' },
        schema: {
          ...shared,
          operationId: 'decideByLink',
          summary: 'What the buttons send',
          consumes: ['application/x-www-form-urlencoded'],
          body: Buttons,
          response: { 303: { description: 'counted: back to the page', content: answer }, default: response.default },
        },
      },
      async ({ params, query, body, url }, reply) => {
        const { run, approval } = params;
        const { approver, evidence: evidenceDigest } = query;
        try {
          const caller = { user: approver, authentication: { method: 'signed-link' } } as const;
          const { decision, comment, ...said } = body;
          const manner = await mannerOf(services, params, said, approver);
          await castVote(services, run, { approval, evidenceDigest, decision, comment, ...manner }, caller);
        } catch (error) {
          const status = refusalStatus(error);
          if (status === undefined) throw error;
          const refused = refusalOf(error as Error, body);
          return sendPage(reply.code(status), decisionPage({ ...(await shown(params, query)), refused }));
        }
        // See Other: a reload asks for the page, and does not vote again.
        return reply.redirect(url, 303);
      },
    );
    done();
  };
}

/** What the page says of a vote that did not count, with what was written. */
export function refusalOf(
  error: Error,
  { comment, breakGlass = false }: { comment: string; breakGlass?: boolean | undefined },
) {
  return { reason: error.message, comment, breakGlass };
}

/** Of a vote that was heard and does not count: the page says why, beside the evidence. */
export function refusalStatus(error: unknown): number | undefined {
  if (error instanceof ProblemError) return 409;
  return error instanceof EspalierError && error.kind === 'ApprovalRefused' ? 422 : undefined;
}

function search({ expires, ...rest }: Query): string {
  return new URLSearchParams({ ...rest, expires: String(expires) }).toString();
}
