/** What routes that answer with pages share: forms as they come in, and pages, also for errors, as they go out. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorPage, PAGE_POLICY } from '../pages/page.ts';
import { problemOf } from '../problems.ts';
import type { Services } from '../services.ts';

/** Within `app`, errors are pages and nothing but forms is taken: a page without script sends nothing else. */
export function answerWithPages(app: FastifyInstance, { onError }: Pick<Services, 'onError'>): void {
  app.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) => {
    const problem = problemOf(error, request.id);
    if (problem.status >= 500) onError(error, request.id);
    return sendPage(reply.code(problem.status), errorPage(problem));
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, parsed) =>
    parsed(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
}

export function sendPage(reply: FastifyReply, markup: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY).send(markup);
}
