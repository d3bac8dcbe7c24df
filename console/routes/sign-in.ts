/** Signing in with the organisation's identity provider, or as a demo user by a link; and signing out. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { checkSignInLink } from '../../client/sign-in-links.ts';
import { setCookie } from '../cookies.ts';
import type { Failures } from '../failures.ts';
import type { Identities } from '../identities.ts';
import { signedOutPage } from '../pages/session-pages.ts';
import type { Services } from '../services.ts';
import { isCsrfOf } from '../sessions.ts';
import { answerWithPages, sendPage } from './pages.ts';

/** Where a browser goes when it was going nowhere. */
const HOME = '/approvals';
const CALLBACK = '/sign-in/callback';

const SignInLink = z.strictObject({
  user: z.string().min(1).max(200),
  expires: z.coerce.number().int().min(0),
  signature: z.string().max(100),
});

const hidden = { hide: true } as const;

export function signInRoutes(services: Services, identities: Identities, failures: Failures): FastifyPluginCallbackZod {
  const { linkKey, demoUsers = [] } = services;
  const { provider } = identities;
  const secure = (): boolean => identities.url('/').protocol === 'https:';

  return (app, _, done) => {
    answerWithPages(app, services);

    app.get(
      '/sign-in',
      {
        config: { access: 'anyone' },
        schema: { ...hidden, querystring: z.object({ return: z.string().max(2000).optional() }) },
      },
      async ({ query }, reply) => {
        if (provider === undefined) {
          throw new EspalierError('NotFound', 'this console has no identity provider to sign in with', {
            fix:
              demoUsers.length > 0
                ? 'open one of the links that `espalier console` printed when it started'
                : 'set ESPALIER_OIDC_ISSUER and …_CLIENT_ID, or use a token or a signed link (docs/api.md)',
          });
        }
        const { url, pending } = await provider.begin(identities.url(CALLBACK).href);
        const returnTo = pathHere(query.return, identities.url('/'));
        reply.header('set-cookie', identities.expect({ ...pending, returnTo }));
        return reply.redirect(url.href, 302);
      },
    );

    app.get(CALLBACK, { config: { access: 'anyone' }, schema: hidden }, async (request, reply) => {
      failures.check(request.ip);
      const signingIn = identities.expected(request);
      if (provider === undefined || signingIn === undefined) {
        throw new EspalierError('Unauthenticated', 'this browser has begun no sign-in, or more than ten minutes ago', {
          where: 'sign-in',
          fix: 'begin again at /sign-in',
        });
      }
      reply.header('set-cookie', setCookie('espalier-sign-in', '', 0, secure()));
      try {
        const signedIn = await provider.finish(identities.url(request.url), signingIn);
        reply.header('set-cookie', identities.begin(signedIn));
      } catch (error) {
        if (error instanceof EspalierError && error.kind === 'Unauthenticated') failures.add(request.ip);
        throw error;
      }
      return reply.redirect(signingIn.returnTo, 303);
    });

    app.get(
      '/sign-in/link',
      { config: { access: 'signed-link' }, schema: { ...hidden, querystring: SignInLink } },
      async ({ query: { signature, ...link }, ip }, reply) => {
        try {
          checkSignInLink(link, signature, linkKey);
          if (!demoUsers.includes(link.user)) {
            throw new EspalierError('Forbidden', `'${link.user}' is no demo user of this console`);
          }
        } catch (error) {
          failures.add(ip);
          throw error;
        }
        reply.header('set-cookie', identities.beginDemo(link.user));
        return reply.redirect(HOME, 303);
      },
    );

    app.post(
      '/sign-out',
      {
        config: { access: 'session' },
        schema: { ...hidden, body: z.object({ csrf: z.string().max(100).optional() }) },
      },
      async (request, reply) => {
        const session = identities.session(request);
        if (session !== undefined && !isCsrfOf(session, request.body.csrf)) {
          throw new EspalierError('Forbidden', 'this form is not one of your session', { fix: 'load the page again' });
        }
        reply.header('set-cookie', identities.end(request));
        return sendPage(reply, signedOutPage());
      },
    );
    done();
  };
}

/** A path of this console: a link must not lead through the sign-in to somebody else's site. */
function pathHere(wanted: string | undefined, home: URL): string {
  if (wanted === undefined || !URL.canParse(wanted, home.href)) return HOME;
  const { origin, pathname } = new URL(wanted, home);
  return origin === home.origin && /^\/approvals(\/|$)/.test(pathname) ? pathname : HOME;
}
