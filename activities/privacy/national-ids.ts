/**
 * National identity, tax and health numbers, each by its country's own rule. A number that is digits only needs its
 * customary grouping or a word before it that names it: a bare run of nine to twelve digits is an order number. Pure.
 */
import { isDate, luhn, mod11and10, verhoeff, weighted } from './check-digits.ts';
import { form, type Form } from './forms.ts';

const END = '(?![A-Za-z0-9@_])';
const pattern = (source: string): RegExp => new RegExp(`${source}${END}`, 'i');

type Check = (value: string) => boolean;

/** Digits only, `leading` of them at first: in its customary grouping, or bare where a word names it. */
function digits(name: string, leading: readonly number[], source: string, check: Check, context?: RegExp): Form {
  return form('nationalId', name, pattern(source), { check, leading, ...(context === undefined ? {} : { context }) });
}

/** National Insurance Manual, NIM39110: no check digit, but few prefixes and suffixes. */
const NINO = form(
  'nationalId',
  'UK NINO',
  pattern('(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]'),
);

/** The same where a space parts the letters from the first digit, at which it is tried. */
const SPACED_NINO: Form = {
  ...NINO,
  leading: [2, 6],
  read: (text, start) =>
    /(?:^|[^A-Za-z0-9])[A-Za-z]{2} $/.test(text.slice(Math.max(0, start - 4), start))
      ? NINO.read(text, start - 3)
      : undefined,
};

/** They begin with a digit. */
export const NUMERIC_IDS: readonly Form[] = [
  // Real Decreto 1553/2005: the letter is the number modulo 23.
  digits('ES DNI', [2, 8], '(?:[0-9]{8}|[0-9]{2}\\.[0-9]{3}\\.[0-9]{3})[ -]?[A-Z]', isDni),
  // Numéro d'inscription au répertoire: the key makes it divisible by 97.
  digits('FR NIR', [1, 6, 13, 15], '[1-478](?: ?[0-9]){4} ?[0-9][0-9AB](?: ?[0-9]){8}', isNir),
  // GB 11643-1999: ISO 7064 MOD 11-2 over a number that holds the day of birth.
  digits('CN resident identity number', [17, 18], '[1-9][0-9]{16}[0-9X]', isChineseId),
  digits('US SSN', [3], '[0-9]{3}([- ])[0-9]{2}\\1[0-9]{4}', isSsn),
  digits('US SSN', [9], '[0-9]{9}', isSsn, /\b(?:ssn|social security)\b/i),
  digits('BR CPF', [3], '[0-9]{3}\\.[0-9]{3}\\.[0-9]{3}-[0-9]{2}', isCpf),
  digits('BR CPF', [11], '[0-9]{11}', isCpf, /\bcpf\b/i),
  digits('IN Aadhaar', [4], '[2-9][0-9]{3}([ -])[0-9]{4}\\1[0-9]{4}', verhoeff),
  digits('IN Aadhaar', [12], '[2-9][0-9]{11}', verhoeff, /\b(?:aadhaar|aadhar|uidai)\b/i),
  digits('DE Steuer-ID', [2], '[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3}', isSteuerId),
  digits('DE Steuer-ID', [11], '[1-9][0-9]{10}', isSteuerId, /\b(?:steuer|idnr|tin\b)/i),
  digits('SE personnummer', [6], '[0-9]{6}[-+][0-9]{4}', isPersonnummer),
  digits('SE personnummer', [10, 12], '(?:19|20)?[0-9]{10}', isPersonnummer, /\bperson(?:nummer|nr)/i),
  // The same grouping as a telephone number of North America: only by its name.
  digits('UK NHS', [3, 10], '[0-9]{3}([ -]?)[0-9]{3}\\1[0-9]{4}', isNhs, /\bnhs\b/i),
  digits('PL PESEL', [11], '[0-9]{11}', isPesel, /\bpesel\b/i),
  digits('NL BSN', [9], '[0-9]{9}', isBsn, /\b(?:bsn|burgerservicenummer|sofinummer)\b/i),
  SPACED_NINO,
];

/** They begin with a letter. */
export const LETTERED_IDS: readonly Form[] = [
  // Decreto ministeriale 23 December 1976; LMNPQRSTUV stand for digits where two people would share a code.
  form(
    'nationalId',
    'IT codice fiscale',
    pattern('[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]'),
    { check: isCodiceFiscale },
  ),
  form('nationalId', 'ES NIE', pattern('[XYZ][ -]?[0-9]{7}[ -]?[A-Z]'), {
    check: (value) => isDni(`${'XYZ'.indexOf(value.charAt(0))}${value.slice(1)}`),
  }),
  NINO,
];

function isDni(value: string): boolean {
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(value.slice(0, 8)) % 23] === value.slice(8);
}

function isNir(value: string): boolean {
  // Corsica's departments 2A and 2B count as 19 and 18.
  const digits = value.replace(/^(.{5})2A/, '$119').replace(/^(.{5})2B/, '$118');
  const month = Number(digits.slice(3, 5));
  if (!/^[0-9]{15}$/.test(digits) || month === 0 || (month > 12 && month < 20) || (month > 42 && month < 50))
    return false;
  return 97 - (Number(digits.slice(0, 13)) % 97) === Number(digits.slice(13));
}

function isChineseId(value: string): boolean {
  const [year, month, day] = [value.slice(6, 10), value.slice(10, 12), value.slice(12, 14)].map(Number);
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  return isDate(year ?? 0, month ?? 0, day ?? 0) && '10X98765432'[weighted(value, weights) % 11] === value[17];
}

/** Ranges never issued, and the two numbers that advertisements made famous (SSA, "Invalid SSN"). */
function isSsn(value: string): boolean {
  return (
    /^(?!000|666|9)[0-9]{3}(?!00)[0-9]{2}(?!0000)[0-9]{4}$/.test(value) && !/^(?:078051120|219099999)$/.test(value)
  );
}

function isCpf(value: string): boolean {
  if (/^(.)\1*$/.test(value)) return false;
  const digit = (weights: readonly number[]): number => ((weighted(value, weights) * 10) % 11) % 10;
  const second = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2];
  return digit(second.slice(1)) === Number(value[9]) && digit(second) === Number(value[10]);
}

/** § 139b AO: of the first ten digits exactly one comes twice or three times, the others once or never. */
function isSteuerId(value: string): boolean {
  const counts = Array.from('0123456789', (digit) => value.slice(0, 10).split(digit).length - 1);
  const repeated = counts.filter((count) => count > 1);
  return repeated.length === 1 && (repeated[0] ?? 0) <= 3 && mod11and10(value);
}

function isPersonnummer(value: string): boolean {
  const digits = value.slice(-10);
  const [month, day] = [Number(digits.slice(2, 4)), Number(digits.slice(4, 6))];
  // A coordination number has 60 added to its day.
  return isDate(2000, month, day > 60 ? day - 60 : day) && luhn(digits);
}

function isNhs(value: string): boolean {
  return (11 - (weighted(value, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11 === Number(value[9]) && !/^0+$/.test(value);
}

function isPesel(value: string): boolean {
  const month = Number(value.slice(2, 4)) % 20;
  return (
    isDate(2000, month, Number(value.slice(4, 6))) && weighted(value, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0
  );
}

function isBsn(value: string): boolean {
  return !/^0+$/.test(value) && weighted(value, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0;
}

/** Values of the characters at odd places, in the order 0–9; letters stand at the digit's or their own place below. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23] as const;

function isCodiceFiscale(value: string): boolean {
  let sum = 0;
  for (let index = 0; index < 15; index += 1) {
    const code = Number.parseInt(value.charAt(index), 36);
    const place = code < 10 ? code : code - 10;
    sum += index % 2 === 0 ? (ODD[place] as number) : place;
  }
  return value.charCodeAt(15) - 65 === sum % 26;
}
