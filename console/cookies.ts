/** The console's cookies (RFC 6265bis): for this host alone, out of every script's reach, over TLS wherever there is TLS. */

export type CookieName = 'espalier-session' | 'espalier-sign-in';

/** A name with this prefix is taken by a browser only with Secure, Path=/ and no Domain: no other host can plant one. */
const HOST_PREFIX = '__Host-';

const nameOf = (name: CookieName, secure: boolean): string => (secure ? `${HOST_PREFIX}${name}` : name);

/** `seconds` 0 removes it. */
export function setCookie(name: CookieName, value: string, seconds: number, secure: boolean): string {
  const parts = [`${nameOf(name, secure)}=${value}`, 'Path=/', 'HttpOnly', 'SameSite=Lax', `Max-Age=${seconds}`];
  return [...parts, ...(secure ? ['Secure'] : [])].join('; ');
}

/** The cookie's value; undefined where there is none, or two that contradict each other. */
export function readCookie(header: string | undefined, name: CookieName, secure: boolean): string | undefined {
  const start = `${nameOf(name, secure)}=`;
  const found = (header ?? '')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(start))
    .map((part) => part.slice(start.length));
  return new Set(found).size === 1 ? found[0] : undefined;
}
