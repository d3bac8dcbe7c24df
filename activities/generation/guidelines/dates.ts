/** Dates of a text, in the forms that English texts and files have. Pure. */

export interface FoundDate {
  readonly written: string;
  readonly start: number;
  readonly end: number;
  readonly year?: number | undefined;
  /** 1–12. */
  readonly month?: number | undefined;
  readonly day?: number | undefined;
  /** 0 is Sunday. */
  readonly weekday?: number | undefined;
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const WEEKDAYS = 'sun mon tue wed thu fri sat'.split(' ');
const MONTH =
  'jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?';
// Bounded repetitions only: the time is linear.
const ISO = /\b(\d{4})-(\d{2})-(\d{2})\b/g;
const DAY_MONTH = new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)?(?: of)? (${MONTH})\\b\\.?(?:,? (\\d{4})\\b)?`, 'gi');
const MONTH_DAY = new RegExp(`\\b(${MONTH})\\.? (\\d{1,2})(?:st|nd|rd|th)?\\b(?:,? (\\d{4})\\b)?`, 'gi');
const WEEKDAY = /\b(sunday|monday|tuesday|wednesday|thursday|friday|saturday)\b/gi;

/** In no order. `3/4/2026` is none: it is two days, depending on who reads it; its numbers are numbers. */
export function datesIn(text: string): readonly FoundDate[] {
  const at = (match: RegExpExecArray) => ({
    written: match[0],
    start: match.index,
    end: match.index + match[0].length,
  });
  return [
    ...[...text.matchAll(ISO)].map((found) => ({
      ...at(found),
      year: Number(found[1]),
      month: Number(found[2]),
      day: Number(found[3]),
    })),
    ...[...text.matchAll(DAY_MONTH)].map((found) => ({
      ...at(found),
      day: Number(found[1]),
      month: monthOf(found[2]),
      year: yearOf(found[3]),
    })),
    ...[...text.matchAll(MONTH_DAY)].map((found) => ({
      ...at(found),
      month: monthOf(found[1]),
      day: Number(found[2]),
      year: yearOf(found[3]),
    })),
    ...[...text.matchAll(WEEKDAY)].map((found) => ({
      ...at(found),
      weekday: WEEKDAYS.indexOf(found[0].slice(0, 3).toLowerCase()),
    })),
  ];
}

function monthOf(written = ''): number {
  return MONTHS.indexOf(written.slice(0, 3).toLowerCase()) + 1;
}

function yearOf(written: string | undefined): number | undefined {
  return written === undefined ? undefined : Number(written);
}
