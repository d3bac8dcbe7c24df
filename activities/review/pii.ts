/**
 * Finds personal data that has a form of its own: e-mail addresses, phone numbers, payment cards (Luhn, ISO/IEC
 * 7812-1) and IBANs (mod 97, ISO 13616). A count, not a proof of absence: names and addresses have no form. Hand-written
 * scanning instead of expressions that backtrack: the time is linear in the text, whatever the text. Pure.
 */
import type { PiiKind } from '../contract.ts';

export interface PiiMatch {
  readonly kind: PiiKind;
  /** UTF-16 offsets: [start, end). */
  readonly start: number;
  readonly end: number;
  /** For people: tells the kind of value, never the value. */
  readonly redacted: string;
}

/** Matches in order, not overlapping: what is a card is not counted as a phone number too. */
export function findPersonalData(text: string): readonly PiiMatch[] {
  let found: readonly PiiMatch[] = [];
  // Each finder is in order and linear; the earlier kinds, which are surer, win over the later ones.
  const groups = digitGroups(text);
  for (const matches of [emails(text), ibans(text), numbers(text, groups, 'card'), numbers(text, groups, 'phone')]) {
    found = [...found, ...withoutOverlap(matches, found)].toSorted((left, right) => left.start - right.start);
  }
  return found;
}

function withoutOverlap(matches: readonly PiiMatch[], taken: readonly PiiMatch[]): PiiMatch[] {
  let next = 0;
  return matches.filter(({ start, end }) => {
    while (next < taken.length && (taken[next] as PiiMatch).end <= start) next += 1;
    return next === taken.length || (taken[next] as PiiMatch).start >= end;
  });
}

// ──────────────────────────── e-mail ────────────────────────────

/** RFC 5321, 4.5.3.1. */
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;

function emails(text: string): PiiMatch[] {
  const found: PiiMatch[] = [];
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    const floor = Math.max(found.at(-1)?.end ?? 0, at - MAX_LOCAL);
    let start = at;
    while (start > floor && isLocal(text[start - 1] as string)) start -= 1;
    while (start < at && text[start] === '.') start += 1;
    let end = at + 1;
    while (end < text.length && end - at <= MAX_DOMAIN && isDomain(text[end] as string)) end += 1;
    while (end > at && /[.-]/.test(text[end - 1] as string)) end -= 1;
    const labels = text.slice(at + 1, end).split('.');
    if (start === at || labels.length < 2 || labels.includes('') || !/^\p{L}{2,}$/u.test(labels.at(-1) ?? '')) continue;
    found.push({ kind: 'email', start, end, redacted: `${text.slice(start, start + 1)}…@…` });
  }
  return found;
}

function isLocal(character: string): boolean {
  return /[A-Za-z0-9._%+'-]/.test(character) || (character > '\u007F' && /[\p{L}\p{N}]/u.test(character));
}

function isDomain(character: string): boolean {
  return /[A-Za-z0-9.-]/.test(character) || (character > '\u007F' && /[\p{L}\p{N}]/u.test(character));
}

// ───────────────────────────── IBAN ─────────────────────────────

/** Characters of an IBAN by country (ISO 13616 registry; the countries of SEPA and the larger ones beside it). */
const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    AD: 24,
    AE: 23,
    AT: 20,
    BE: 16,
    BG: 22,
    CH: 21,
    CY: 28,
    CZ: 24,
    DE: 22,
    DK: 18,
    EE: 20,
    ES: 24,
    FI: 18,
    FR: 27,
    GB: 22,
    GI: 23,
    GR: 27,
    HR: 21,
    HU: 28,
    IE: 22,
    IL: 23,
    IS: 26,
    IT: 27,
    LI: 21,
    LT: 20,
    LU: 20,
    LV: 21,
    MC: 27,
    MT: 31,
    NL: 18,
    NO: 15,
    PL: 28,
    PT: 25,
    RO: 24,
    SA: 24,
    SE: 24,
    SI: 19,
    SK: 24,
    SM: 27,
    TR: 26,
    UA: 29,
  }),
);

function ibans(text: string): PiiMatch[] {
  const found: PiiMatch[] = [];
  for (let start = 0; start + 15 <= text.length; start += 1) {
    if (!isLetter(text[start]) || isAlphanumeric(text[start - 1])) continue;
    const length = IBAN_LENGTHS.get(text.slice(start, start + 2).toUpperCase());
    if (length === undefined || !isDigit(text[start + 2])) continue;
    let end = start;
    let value = '';
    while (end < text.length && value.length < length) {
      const character = text[end] as string;
      if (isAlphanumeric(character)) value += character;
      else if (!/[ -]/.test(character) || !isAlphanumeric(text[end + 1])) break;
      end += 1;
    }
    if (value.length !== length || isAlphanumeric(text[end]) || !isIban(value)) continue;
    found.push({ kind: 'iban', start, end, redacted: `${value.slice(0, 2).toUpperCase()}…` });
    start = end - 1;
  }
  return found;
}

/** ISO 7064 MOD 97-10 over the rearranged number; `value` without separators. */
export function isIban(value: string): boolean {
  if (!/^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/i.test(value)) return false;
  let remainder = 0;
  for (const character of (value.slice(4) + value.slice(0, 4)).toUpperCase()) {
    const digits = Number.parseInt(character, 36);
    remainder = (remainder * (digits > 9 ? 100 : 10) + digits) % 97;
  }
  return remainder === 1;
}

// ─────────────────────── cards and phones ───────────────────────

interface DigitGroup {
  readonly digits: string;
  readonly start: number;
  readonly end: number;
  /** What stands before it: '' at the start of a run, else one or two separators. */
  readonly separator: string;
}

const MIN_DIGITS = 8;
const MAX_DIGITS = 19;

function numbers(text: string, groups: readonly DigitGroup[], kind: 'card' | 'phone'): PiiMatch[] {
  const found: PiiMatch[] = [];
  for (let first = 0; first < groups.length; first += 1) {
    const last = longestNumber(text, groups, first, kind);
    if (last === undefined) continue;
    const { start } = groups[first] as DigitGroup;
    const { end } = groups[last] as DigitGroup;
    const digits = groups.slice(first, last + 1).reduce((sum, group) => sum + group.digits.length, 0);
    found.push({ kind, start: isPlus(text[start - 1]) ? start - 1 : start, end, redacted: `…(${digits} digits)` });
    first = last;
  }
  return found;
}

/** The last group of the longest number that starts with the group `first`. */
function longestNumber(
  text: string,
  groups: readonly DigitGroup[],
  first: number,
  kind: 'card' | 'phone',
): number | undefined {
  const head = groups[first] as DigitGroup;
  const international = isPlus(text[head.start - 1]);
  const most = kind === 'card' ? maxCardGroups(head.digits) : maxPhoneGroups(head.digits, international);
  let best: number | undefined;
  let count = 0;
  for (let last = first; last < groups.length && last < first + most; last += 1) {
    const { digits, separator } = groups[last] as DigitGroup;
    count += digits.length;
    if (count > MAX_DIGITS) break;
    if (last > first && (separator === '' || (kind === 'card' && !/^[ -]$/.test(separator)))) break;
    if (count < MIN_DIGITS) continue;
    const parts = groups.slice(first, last + 1).map((group) => group.digits);
    if (kind === 'card' ? isCard(parts.join('')) : isPhone(parts, international)) best = last;
  }
  return best;
}

/** Groups a card's number that starts like this may be written in; 0: none starts like this. */
function maxCardGroups(head: string): number {
  return /^[2-6]/.test(head) ? 5 : 0;
}

/** Groups a telephone number that starts like this may have; 0: none starts like this. */
function maxPhoneGroups(head: string, international: boolean): number {
  if (international || head.startsWith('00')) return 8;
  if (head.startsWith('0')) return 5;
  return head.length === 3 || head === '1' ? 4 : 0;
}

/** Runs of digits that stand apart from letters, with what separates them from the one before. */
function digitGroups(text: string): readonly DigitGroup[] {
  const groups: DigitGroup[] = [];
  for (const { 0: digits, index } of text.matchAll(/[0-9]+/g)) {
    const end = index + digits.length;
    const before = groups.at(-1);
    const between = before === undefined || index - before.end > 2 ? '' : text.slice(before.end, index);
    // Too long for anything, or part of a word such as an order number A12345.
    if (digits.length > MAX_DIGITS || isLetter(text[index - 1]) || isLetter(text[end])) continue;
    groups.push({ digits, start: index, end, separator: /^[ ().\-/]+$/.test(between) ? between : '' });
  }
  return groups;
}

/** The lengths that issuers use behind their first digits (13–19), and the right check digit. */
export function isCard(digits: string): boolean {
  return ISSUED.test(digits) && luhn(digits);
}

const ISSUED =
  /^(?:4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[0-9]{15}|2[2-7][0-9]{14}|3[47][0-9]{13}|3[068][0-9]{12}|35[0-9]{14}|6[0-9]{15,18})$/;

/** Luhn's formula (ISO/IEC 7812-1, annex B). */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return digits.length > 0 && sum % 10 === 0;
}

/**
 * +country code with 8–15 digits (ITU-T E.164); 00 the same; a North American 3-3-4; a national number with its trunk
 * zero, 10 or 11 digits. A bare run of digits without any of these is an order number.
 */
function isPhone(parts: readonly string[], international: boolean): boolean {
  const digits = parts.join('');
  if (international) return /^[1-9][0-9]{7,14}$/.test(digits);
  if (/^00?[1-9]/.test(digits)) return /^(?:00[1-9][0-9]{7,13}|0[1-9][0-9]{8,9})$/.test(digits);
  return /^(?:1,)?[2-9][0-9]{2},[2-9][0-9]{2},[0-9]{4}$/.test(parts.join(','));
}

function isPlus(character: string | undefined): boolean {
  return character === '+';
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9';
}

function isLetter(character: string | undefined): boolean {
  return character !== undefined && /[A-Za-z]/.test(character);
}

function isAlphanumeric(character: string | undefined): boolean {
  return isDigit(character) || isLetter(character);
}
