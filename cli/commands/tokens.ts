/** API tokens for the console: made and revoked by whoever may write to the store. */
import { EspalierError } from '../../artifacts/errors.ts';
import { createToken, listTokens, revokeToken, SCOPES, type Scope, type Token } from '../../client/tokens.ts';
import { EXIT, printJson, printTable, say, style } from '../output.ts';
import { expiryOf } from '../expiry.ts';
import { withContext } from './runs.ts';

export async function create(
  json: boolean,
  options: { readonly user: string; readonly scopes: string; readonly expires: string },
): Promise<number> {
  const scopes = options.scopes.split(',').map(scopeOf);
  const expiresAt = expiryOf(options.expires).toISOString();
  return withContext(async (context) => {
    const { pointers } = await context.store();
    const { token, text } = await createToken(pointers, {
      user: options.user,
      scopes,
      createdBy: context.user,
      expiresAt,
    });
    if (json) printJson({ ...token, token: text });
    else process.stdout.write(`${text}\n`);
    say(style.dim(`this is the only time that it is shown; it acts as ${token.user} until ${expiresAt}`));
    return EXIT.ok;
  });
}

export async function list(json: boolean): Promise<number> {
  return withContext(async (context) => {
    const tokens = await listTokens((await context.store()).pointers);
    if (json) printJson(tokens);
    else if (tokens.length === 0) say('there are no tokens: espalier tokens create makes one');
    else {
      printTable(
        ['ID', 'USER', 'STATE', 'EXPIRES (UTC)', 'SCOPES'],
        tokens.map((one) => [
          one.id,
          one.user,
          stateOf(one),
          one.expiresAt.slice(0, 16).replace('T', ' '),
          one.scopes.join(','),
        ]),
      );
    }
    return EXIT.ok;
  });
}

export async function revoke(json: boolean, id: string): Promise<number> {
  return withContext(async (context) => {
    const token = await revokeToken((await context.store()).pointers, id, context.user);
    if (json) printJson(token);
    else say(`revoked ${id} of ${token.user}: it opens nothing any more`);
    return EXIT.ok;
  });
}

function stateOf({ revokedAt, expiresAt }: Token): string {
  if (revokedAt !== null) return 'revoked';
  return Date.parse(expiresAt) <= Date.now() ? 'expired' : 'valid';
}

function scopeOf(text: string): Scope {
  const found = SCOPES.find((scope) => scope === text);
  if (found !== undefined) return found;
  throw new EspalierError('BadConfig', `there is no scope '${text}'`, {
    where: '--scopes',
    fix: `the scopes are ${SCOPES.join(', ')}`,
  });
}
