/** Keys and secrets: by the prefixes that their issuers give them, or behind a word that names one. Pure. */
import { matchAt, precededBy, type Form, type Span } from './forms.ts';

/**
 * All bounded, and none begins inside a longer word: so that each stretch of text is read a few times at most. A token
 * of three parts is a JWT when its first part is a JSON object (RFC 7519).
 */
const PREFIXED = new RegExp(
  '(?<![\\w.-])(?:' +
    [
      '(?:AKIA|ASIA)[0-9A-Z]{16}',
      'gh[pousr]_[A-Za-z0-9]{36,251}',
      'github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}',
      'glpat-[\\w-]{20,64}',
      'xox[abeoprs]-[0-9A-Za-z-]{10,250}',
      '[rs]k_(?:live|test)_[0-9A-Za-z]{16,247}',
      'sk-(?=[\\w-]{0,30}[0-9])(?:[\\w]{1,8}-)?[\\w-]{20,200}',
      'AIza[\\w-]{35}',
      'npm_[A-Za-z0-9]{36}',
      'hf_[A-Za-z0-9]{34}',
    ].join('|') +
    ')(?![\\w])',
  'y',
);
const JWT = /(?<![\w.-])eyJ[\w-]{10,2000}\.[\w-]{10,8000}\.[\w-]{10,1000}(?![\w])/y;

export const PREFIXED_SECRET: Form = {
  kind: 'secret',
  name: 'access key',
  read: (text, start) => spanOf(start, matchAt(PREFIXED, text, start)),
};

export const WEB_TOKEN: Form = {
  kind: 'secret',
  name: 'JSON Web Token',
  read(text, start) {
    const found = text.startsWith('eyJ', start) ? matchAt(JWT, text, start) : undefined;
    return found !== undefined && isObject(found.slice(0, found.indexOf('.'))) ? spanOf(start, found) : undefined;
  },
};

function isObject(base64: string): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, 'base64url').toString());
    return typeof value === 'object' && value !== null && 'alg' in value;
  } catch {
    return false;
  }
}

const KEY_BEGINS = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----/y;
const KEY_BODY = /[A-Za-z0-9+/=\s\\:,.-]{0,16384}/y;
const KEY_ENDS = /-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----/;

/** A private key's block (RFC 7468); one that was cut off reaches as far as its base64 does. `start`: its first dash. */
export const PRIVATE_KEY: Form = {
  kind: 'secret',
  name: 'private key',
  read(text, start) {
    const head = matchAt(KEY_BEGINS, text, start);
    if (head === undefined) return undefined;
    const body = matchAt(KEY_BODY, text, start + head.length) ?? '';
    const end = KEY_ENDS.exec(text.slice(start + head.length, start + head.length + body.length + 64));
    return spanOf(start, head + (end === null ? body : ' '.repeat(end.index + end[0].length)));
  },
};

const NAMES =
  /(?:password|passwd|pwd|passphrase|secret|token|api[_ -]?key|access[_ -]?key|private[_ -]?key|authori[sz]ation|credentials?)["'` ]{0,2}$/i;
const VALUE = /[:=] ?["'`]?(?:bearer |basic )?(?=[A-Za-z0-9+/_~.-]{16})/iy;
const CHARACTERS = /[A-Za-z0-9+/_~.-]{16,512}={0,2}/y;
/** Bits a character (Shannon): English words have about 3 at this length, random base64 above 3.5. */
const MIN_ENTROPY = 3.5;

/** Something random behind `password:`, `api_key=` and the like. `start`: the colon or equals sign. */
export const NAMED_SECRET: Form = {
  kind: 'secret',
  name: 'secret by its name',
  read(text, start) {
    const lead = matchAt(VALUE, text, start);
    if (lead === undefined || !precededBy(text, start, NAMES)) return undefined;
    const value = matchAt(CHARACTERS, text, start + lead.length);
    if (value === undefined || !/[0-9]/.test(value) || !/[A-Za-z]/.test(value) || entropy(value) < MIN_ENTROPY) {
      return undefined;
    }
    return spanOf(start + lead.length, value);
  },
};

const IN_ADDRESS = /:\/\/[^\s/:@]{0,64}:([^\s/@<>…]{1,128})$/;

/** What stands between the user's name and the host of an address (RFC 3986, 3.2.1). `start`: the at sign. */
export const ADDRESS_PASSWORD: Form = {
  kind: 'secret',
  name: 'password in an address',
  read(text, start) {
    const value = IN_ADDRESS.exec(text.slice(Math.max(0, start - 200), start))?.[1];
    return value === undefined ? undefined : { start: start - value.length, end: start };
  },
};

/** Shannon's entropy of its characters, in bits a character. */
function entropy(text: string): number {
  const counts = new Uint16Array(128);
  for (let index = 0; index < text.length; index += 1) counts[text.charCodeAt(index)]! += 1;
  return counts.reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / text.length) * Math.log2(count / text.length)),
    0,
  );
}

function spanOf(start: number, found: string | undefined): Span | undefined {
  return found === undefined ? undefined : { start, end: start + found.length };
}
