/** E-mail addresses, with letters of any script. Pure. */
import type { Form } from './forms.ts';

/** RFC 5321, 4.5.3.1. */
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;

/** `start`: the at sign. */
export const EMAIL: Form = {
  kind: 'email',
  name: 'e-mail address',
  read(text, at) {
    let start = at;
    while (at - start < MAX_LOCAL && isLocal(text[start - 1])) start -= 1;
    while (start < at && text[start] === '.') start += 1;
    if (start === at) return undefined;
    let end = at + 1;
    while (end - at <= MAX_DOMAIN && isDomain(text[end])) end += 1;
    while (end > at && /[.-]/.test(text[end - 1] as string)) end -= 1;
    const labels = text.slice(at + 1, end).split('.');
    const isAddress =
      labels.length > 1 && !labels.includes('') && /^(?:\p{L}{2,}|xn--[a-z0-9-]{2,})$/iu.test(labels.at(-1) ?? '');
    return isAddress ? { start, end } : undefined;
  },
};

function isLocal(character = ' '): boolean {
  return /[A-Za-z0-9._%+'-]/.test(character) || isForeign(character);
}

function isDomain(character = ' '): boolean {
  return /[A-Za-z0-9.-]/.test(character) || isForeign(character);
}

function isForeign(character: string): boolean {
  return character > '\u007F' && /[\p{L}\p{N}]/u.test(character);
}
