/** Payment cards, IBANs, telephone numbers and dates of birth. Pure. */
import { IBAN_LENGTHS, isCard, isDate, isIban } from './check-digits.ts';
import { matchAt, precededBy, type Form, type Span } from './forms.ts';

const MIN_CARD_DIGITS = 13;
const MAX_CARD_DIGITS = 19;

/** Up to five groups with one space, dash or point between; of several that check, the longest. */
export const CARD: Form = {
  kind: 'card',
  name: 'payment card',
  read(text, start) {
    // Behind a plus it is a telephone number, of which every tenth has a card's check digit.
    if (!'23456'.includes(text.charAt(start)) || text.charAt(start - 1) === '+') return undefined;
    let digits = '';
    let best: Span | undefined;
    for (let at = start, groups = 1; digits.length <= MAX_CARD_DIGITS; at += 1) {
      const character = text.charAt(at);
      if (isDigit(character)) digits += character;
      else {
        if (digits.length >= MIN_CARD_DIGITS && standsAlone(text, at) && isCard(digits)) best = { start, end: at };
        if (!/^[ .-]$/.test(character) || !isDigit(text.charAt(at + 1)) || (groups += 1) > 5) break;
      }
    }
    return best;
  },
};

/** In groups or not, in either case; the country's letters say how long it is. */
export const IBAN: Form = {
  kind: 'iban',
  name: 'IBAN',
  read(text, start) {
    const length = isDigit(text.charAt(start + 2)) ? IBAN_LENGTHS.get(text.slice(start, start + 2).toUpperCase()) : 0;
    let value = '';
    for (let at = start; value.length < (length ?? 0); at += 1) {
      const character = text.charAt(at);
      if (/[A-Za-z0-9]/.test(character)) value += character;
      else if (!/[ -]/.test(character) || !/[A-Za-z0-9]/.test(text.charAt(at + 1))) return undefined;
      if (value.length === length) {
        return standsAlone(text, at + 1) && isIban(value.toUpperCase()) ? { start, end: at + 1 } : undefined;
      }
    }
    return undefined;
  },
};

const SEPARATED = (count: string): string => `(?:[ ().\\-/]{0,2}[0-9]){${count}}`;
const PHONE_END = '(?![A-Za-z0-9@_]|:[0-9])';
/** ITU-T E.164: a country code, 8–15 digits in all. */
const INTERNATIONAL = new RegExp(`[1-9]${SEPARATED('7,14')}${PHONE_END}`, 'y');
const EXIT_CODE = new RegExp(`00[1-9]${SEPARATED('7,13')}${PHONE_END}`, 'y');
/** A national number with its trunk zero, ten or eleven digits; not a date with a time behind it. */
const TRUNK = new RegExp(
  `(?![0-3][0-9][./-][0-9]{1,2}[./-](?:19|20)[0-9]{2}(?![0-9]))0[1-9]${SEPARATED('8,9')}${PHONE_END}`,
  'y',
);
/** North American numbering plan: 3-3-4, neither area nor exchange beginning with 0 or 1. */
const NORTH_AMERICAN = new RegExp(
  `(?:1[ .(-]{1,2})?[2-9][0-9]{2}[ ().\\-/]{1,2}[2-9][0-9]{2}[ .-][0-9]{4}${PHONE_END}`,
  'y',
);
/** Any grouping, behind a word that names it. */
const NAMED = new RegExp(`[0-9]${SEPARATED('6,14')}${PHONE_END}`, 'y');
const NAMES =
  /\b(?:(?:tele)?phone|tel|telefon|tel[eé]fono|t[eé]l[eé]phone|mobile|m[oó]vil|cell|fax|whatsapp|handy|call me|text me)(?: ?(?:number|no\.?|nr\.?))?(?: (?:is|at|on))? ?[.:#=]? ?\(?$/i;
const MAX_NATIONAL_GROUPS = 5;

export const PHONE: Form = {
  kind: 'phone',
  name: 'telephone number',
  read(text, start) {
    const before = text.charAt(start - 1);
    const found = before === '+' ? matchAt(INTERNATIONAL, text, start) : national(text, start);
    if (found === undefined) return undefined;
    return {
      start: before === '+' || (before === '(' && found.includes(')')) ? start - 1 : start,
      end: start + found.length,
    };
  },
};

function national(text: string, start: number): string | undefined {
  const known = text.charAt(start) === '0' ? withZero(text, start) : matchAt(NORTH_AMERICAN, text, start);
  // Cheap first: most numbers stand behind other numbers.
  if (known !== undefined || !/[a-zé.#:=] ?\(?$/i.test(text.slice(Math.max(0, start - 3), start))) return known;
  return precededBy(text, start, NAMES) ? matchAt(NAMED, text, start) : undefined;
}

function withZero(text: string, start: number): string | undefined {
  const abroad = matchAt(EXIT_CODE, text, start);
  if (abroad !== undefined) return abroad;
  const found = matchAt(TRUNK, text, start);
  return found !== undefined && found.split(/[^0-9]+/).length <= MAX_NATIONAL_GROUPS ? found : undefined;
}

const MONTHS = 'jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]';
const YEAR = '(?:19|20)[0-9]{2}';
const DATE = new RegExp(
  [
    `(?<year>${YEAR})[-/.](?<month>[0-9]{1,2})[-/.](?<day>[0-9]{1,2})`,
    `(?<first>[0-9]{1,2})[-/. ](?<second>[0-9]{1,2})[-/. ](?<last>${YEAR}|[0-9]{2})`,
    `(?<monthDay>[0-9]{1,2})(?:st|nd|rd|th|\\.)?(?: of| de)? (?:${MONTHS})[a-zéû]{0,8}\\.?,?(?: de)? (?<wordYear>${YEAR})`,
    `(?<compact>[0-9]{8})`,
    `(?<dayAfterMonth>[0-9]{1,2})(?:st|nd|rd|th)?,? (?<yearAfterMonth>${YEAR})`,
  ]
    .map((one) => `(?:${one})`)
    .join('|')
    .replace(/^(.*)$/s, '(?:$1)(?![0-9A-Za-z@_])'),
  'iy',
);
const MONTH_BEFORE = new RegExp(`\\b(?:${MONTHS})[a-zéû]{0,8}\\.? $`, 'i');
const BIRTH =
  /\b(?:born|birth|birth ?day|birth ?date|d\.?o\.?b|geb|geboren|geburts\w+|n[ée]e? le|naissance|nacid[oa]|nacimiento|nat[oa] il|nascita|nascid[oa]|nascimento)(?![a-z])[^0-9]*$/i;

/** A day that is there in the calendar, behind a word of birth and no other number. */
export const BIRTH_DATE: Form = {
  kind: 'birthDate',
  name: 'date of birth',
  leading: [1, 2, 4, 8],
  read(text, start) {
    DATE.lastIndex = start;
    const found = DATE.exec(text);
    if (found === null || !isPlausible(found.groups ?? {})) return undefined;
    const month = MONTH_BEFORE.exec(text.slice(Math.max(0, start - 12), start))?.[0];
    if (found.groups?.['dayAfterMonth'] !== undefined && month === undefined) return undefined;
    const from = found.groups?.['dayAfterMonth'] === undefined ? start : start - (month ?? '').length;
    return precededBy(text, from, BIRTH) ? { start: from, end: start + found[0].length } : undefined;
  },
};

/** The order of day and month is not known: one of the two must give a date. */
function isPlausible(parts: Readonly<Record<string, string | undefined>>): boolean {
  const number = (name: string): number => Number(parts[name]);
  if (parts['year'] !== undefined) return isDate(number('year'), number('month'), number('day'));
  if (parts['first'] !== undefined) {
    const year = number('last') < 100 ? 1900 + number('last') : number('last');
    return isDate(year, number('second'), number('first')) || isDate(year, number('first'), number('second'));
  }
  const compact = parts['compact'];
  if (compact !== undefined) {
    const [front, first, second, back] = [
      compact.slice(0, 4),
      compact.slice(0, 2),
      compact.slice(2, 4),
      compact.slice(4),
    ];
    return (
      isDate(Number(front), Number(back.slice(0, 2)), Number(back.slice(2))) ||
      isDate(Number(back), Number(second), Number(first)) ||
      isDate(Number(back), Number(first), Number(second))
    );
  }
  const day = parts['monthDay'] ?? parts['dayAfterMonth'];
  return isDate(2000, 1, Number(day));
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

/** Neither a word nor an address goes on here. */
function standsAlone(text: string, at: number): boolean {
  return !/[A-Za-z0-9@_]/.test(text.charAt(at));
}
