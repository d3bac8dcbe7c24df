/** The decisions for who has signed in: the same page as a signed link opens, by a session in its place. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { evidenceDossier } from '../../artifacts/evidence-dossier.ts';
import { evidenceFacts } from '../../artifacts/release-chain.ts';
import { listApprovals } from '../../client/approvals.ts';
import { summarise } from '../../client/summary.ts';
import type { Scope } from '../../client/tokens.ts';
import { Digest } from '../answers.ts';
import { castVote, mannerOf, showApproval, waysToVote } from '../decisions.ts';
import { evidenceOf, sendEvidence } from '../evidence.ts';
import type { Identities } from '../identities.ts';
import { decisionPage, type DecisionPage } from '../pages/decision-page.ts';
import { approvalsPage } from '../pages/session-pages.ts';
import { ApprovalPath, Buttons } from '../questions.ts';
import type { Services } from '../services.ts';
import { isCsrfOf, type Session } from '../sessions.ts';
import { refusalOf, refusalStatus } from './decision-pages.ts';
import { answerWithPages, sendPage } from './pages.ts';

const hidden = { hide: true } as const;
const config = { access: 'session' } as const;
const Form = Buttons.extend({ evidence: Digest, csrf: z.string().max(100).default('') });

export function signedInPages(services: Services, identities: Identities): FastifyPluginCallbackZod {
  const { client, store } = services;

  /**
   * Who asks, with the roles of this moment.
   * @throws EspalierError Unauthenticated without a session; Forbidden
   */
  async function sessionOf(request: FastifyRequest, scope: Scope): Promise<Session> {
    const kept = identities.session(request);
    if (kept === undefined)
      throw new EspalierError('Unauthenticated', 'you are not signed in', { fix: 'sign in at /sign-in' });
    const session = await identities.current(kept);
    if (session.scopes.includes(scope)) return session;
    throw new EspalierError('Forbidden', `this needs ${scope}, which your groups do not open`);
  }

  /** The page, or the way to sign in for who has no session yet. */
  async function signedIn(request: FastifyRequest, reply: FastifyReply): Promise<Session | undefined> {
    try {
      return await sessionOf(request, 'approvals:read');
    } catch (error) {
      if (!(error instanceof EspalierError) || error.kind !== 'Unauthenticated' || identities.provider === undefined)
        throw error;
      reply.redirect(`/sign-in?${new URLSearchParams({ return: request.url }).toString()}`, 303);
      return undefined;
    }
  }

  async function shown({ run, approval }: z.output<typeof ApprovalPath>, session: Session): Promise<DecisionPage> {
    const found = await showApproval(client, run, approval);
    const evidence = evidenceOf(found).digest;
    const facts = await evidenceFacts<RunFacts>(store, evidence);
    return {
      approval: found,
      ...(await waysToVote(services, found, facts, session.caller.user)),
      approver: session.caller.user,
      evidence,
      summary: summarise(facts, approval, await evidenceDossier(store, evidence)),
      reportUrl: `/approvals/${encodeURIComponent(run)}/${approval}/report`,
      csrf: session.csrf,
    };
  }

  return (app, _, done) => {
    answerWithPages(app, services);

    app.get('/approvals', { config, schema: hidden }, async (request, reply) => {
      const session = await signedIn(request, reply);
      return session === undefined ? reply : sendPage(reply, approvalsPage(await listApprovals(client), session));
    });

    const path = '/approvals/:run/:approval';
    const schema = { ...hidden, params: ApprovalPath };
    app.get(path, { config, schema }, async (request, reply) => {
      const session = await signedIn(request, reply);
      return session === undefined ? reply : sendPage(reply, decisionPage(await shown(request.params, session)));
    });

    app.get(`${path}/report`, { config, schema }, async (request, reply) => {
      await sessionOf(request, 'approvals:read');
      const { run, approval } = request.params;
      return sendEvidence(reply, store, evidenceOf(await showApproval(client, run, approval)), 'report.html');
    });

    app.post(path, { config, schema: { ...schema, body: Form } }, async (request, reply) => {
      const { params, body } = request;
      const { csrf, evidence: evidenceDigest, decision, comment, ...said } = body;
      const kept = identities.session(request);
      if (kept !== undefined && !isCsrfOf(kept, csrf)) {
        throw new EspalierError('Forbidden', 'this form is not one of your session', { fix: 'load the page again' });
      }
      const session = await sessionOf(request, 'approvals:decide');
      try {
        const { run, approval } = params;
        const manner = await mannerOf(services, params, said, session.caller.user);
        await castVote(services, run, { approval, evidenceDigest, decision, comment, ...manner }, session.caller);
      } catch (error) {
        const status = refusalStatus(error);
        if (status === undefined) throw error;
        const refused = refusalOf(error as Error, body);
        return sendPage(reply.code(status), decisionPage({ ...(await shown(params, session)), refused }));
      }
      return reply.redirect(request.url, 303);
    });
    done();
  };
}
