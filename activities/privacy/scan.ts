/**
 * Finds personal data that has a form of its own, in one pass. A count, not a proof of absence: names and addresses have
 * no form. The pass itself only tells words with digits and a few signs from the rest; at each of them the forms that
 * can begin so are tried, none of which looks further than a bounded stretch: the time is linear, whatever the text. Pure.
 */
import type { PiiKind } from '../../pipelines/definition/data.ts';
import { EMAIL } from './email.ts';
import type { Form, Span } from './forms.ts';
import { LETTERED_IDS, NUMERIC_IDS } from './national-ids.ts';
import { IP_V4, IP_V6, MAC_ADDRESS } from './network.ts';
import { BIRTH_DATE, CARD, IBAN, PHONE } from './numbers.ts';
import { plainText } from './plain.ts';
import { ADDRESS_PASSWORD, NAMED_SECRET, PREFIXED_SECRET, PRIVATE_KEY, WEB_TOKEN } from './secrets.ts';

export interface PiiMatch extends Span {
  readonly kind: PiiKind;
  /** For people: tells the form of the value, never the value. */
  readonly redacted: string;
}

// The surer forms come first: the first that fits is taken.
const BEGINS_WITH_DIGIT = [CARD, ...NUMERIC_IDS, IP_V4, IP_V6, MAC_ADDRESS, BIRTH_DATE, PHONE];
/** What can begin with so many digits; the last is for all longer runs. */
const BY_LEADING_DIGITS: readonly (readonly Form[])[] = Array.from({ length: 21 }, (_, count) =>
  BEGINS_WITH_DIGIT.filter(({ leading }) => leading === undefined || leading.includes(count)),
);
const BEGINS_WITH_LETTER: readonly Form[] = [PREFIXED_SECRET, WEB_TOKEN, IBAN, ...LETTERED_IDS, IP_V6, MAC_ADDRESS];
/** A short number that no other follows, "12 of them", "in 2019", can only begin a date. */
const LONE_NUMBER: readonly Form[] = [BIRTH_DATE];
const AT_SIGN: readonly Form[] = [ADDRESS_PASSWORD, EMAIL];
const NAMED: readonly Form[] = [NAMED_SECRET];
const KEY_BLOCK: readonly Form[] = [PRIVATE_KEY];
const NONE: readonly Form[] = [];

const PLAIN = 0;
const LETTER = 1;
const DIGIT = 2;
const SIGN = 3;
const CLASS = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[A-Za-z]/.test(character)
    ? LETTER
    : /[0-9]/.test(character)
      ? DIGIT
      : /[@:=_-]/.test(character)
        ? SIGN
        : PLAIN;
});

/** Matches in order, not overlapping. */
export function findPersonalData(text: string): readonly PiiMatch[] {
  const plain = plainText(text);
  const found = findIn(plain.text);
  const { places } = plain;
  if (places === undefined) return found;
  // What nobody sees inside a value goes with it.
  return found.map((match) => ({ ...match, start: places[match.start]!, end: places[match.end - 1]! + 1 }));
}

function findIn(text: string): readonly PiiMatch[] {
  const found: PiiMatch[] = [];
  let taken = 0;
  for (let at = nextMark(text, 0); at < text.length; at = nextMark(text, at)) {
    const start = wordStart(text, at, taken);
    const sign = classAt(text, at) === SIGN;
    // A sign ends a word of letters that may begin a key ('ghp_', 'xoxb-') or an address ('fe:'), and may be a mark itself.
    const value =
      (sign && start < at ? read(BEGINS_WITH_LETTER, text, start, taken) : undefined) ??
      (sign ? read(formsOfSign(text, at), text, at, taken) : read(formsOfNumber(text, start, at), text, start, taken));
    if (value === undefined) at = sign ? at + 1 : wordEnd(text, at + 1);
    else {
      found.push(value);
      taken = value.end;
      at = Math.max(value.end, at + 1); // a password ends before its sign
    }
  }
  return found;
}

/**
 * A text as it may be shown in a message: every value found in it is replaced by what tells its form. It is read again
 * until nothing is found: what stood beside a value may only then stand on its own.
 */
export function maskPersonalData(text: string): string {
  const matches = findPersonalData(text);
  if (matches.length === 0) return text;
  const parts = matches.map(({ start, redacted }, index) => text.slice(matches[index - 1]?.end ?? 0, start) + redacted);
  return maskPersonalData(parts.join('') + text.slice(matches.at(-1)?.end));
}

function read(forms: readonly Form[], text: string, start: number, taken: number): PiiMatch | undefined {
  for (const form of forms) {
    const span = form.read(text, start);
    if (span === undefined) continue;
    // Of an address that began before the last value ended, what is left of it.
    const from = Math.max(span.start, taken);
    return { kind: form.kind, start: from, end: span.end, redacted: redacted(form, text.slice(from, span.end)) };
  }
  return undefined;
}

/** The next digit or sign: all else is passed over, at the speed of a plain loop. */
function nextMark(text: string, from: number): number {
  let at = from;
  while (at < text.length && classAt(text, at) < DIGIT) at += 1;
  return at;
}

function wordStart(text: string, at: number, floor: number): number {
  let start = at;
  while (start > floor && isAlphanumeric(text, start - 1)) start -= 1;
  return start;
}

function wordEnd(text: string, from: number): number {
  let end = from;
  while (end < text.length && isAlphanumeric(text, end)) end += 1;
  return end;
}

function classAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 128 ? (CLASS[code] as number) : PLAIN;
}

function isAlphanumeric(text: string, at: number): boolean {
  const kind = classAt(text, at);
  return kind === LETTER || kind === DIGIT;
}

function formsOfSign(text: string, at: number): readonly Form[] {
  switch (text.charAt(at)) {
    case '@':
      return AT_SIGN;
    case ':':
    case '=':
      return NAMED;
    case '-':
      return text.startsWith('-----BEGIN ', at) ? KEY_BLOCK : NONE;
    default:
      return NONE;
  }
}

/** Digits a number has at least that no other follows. */
const MIN_DIGITS = 7;

/** `at`: the first digit of the word that begins at `start`. */
function formsOfNumber(text: string, start: number, at: number): readonly Form[] {
  if (start < at) return BEGINS_WITH_LETTER;
  let end = at;
  while (classAt(text, end) === DIGIT && end - at < BY_LEADING_DIGITS.length - 1) end += 1;
  const isLone = end - at < MIN_DIGITS && !isAlphanumeric(text, end) && !goesOn(text, end);
  return isLone ? LONE_NUMBER : (BY_LEADING_DIGITS[end - at] ?? NONE);
}

/** Whether a sign or two and then a digit follow, or what a MAC or IPv6 address could go on with. */
function goesOn(text: string, at: number): boolean {
  const sign = text.charAt(at);
  if (sign === ':' || sign === '-') return true;
  return /[ ().\-/]/.test(sign) && (classAt(text, at + 1) === DIGIT || classAt(text, at + 2) === DIGIT);
}

function redacted(form: Form, value: string): string {
  switch (form.kind) {
    case 'email':
      return `${value.slice(0, 1)}…@…`;
    case 'iban':
      return `${value.slice(0, 2).toUpperCase()}…`;
    case 'card':
    case 'phone':
      return `…(${value.replaceAll(/[^0-9]/g, '').length} digits)`;
    case 'nationalId':
    case 'ipAddress':
    case 'macAddress':
    case 'secret':
    case 'birthDate':
      return `…(${form.name})`;
  }
}
