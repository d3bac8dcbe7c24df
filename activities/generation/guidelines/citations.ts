/**
 * What an answer states must have been given: numbers, dates, names and quotations that stand in none of question, facts
 * and system prompt are invented. Numbers written as words, and a right number about the wrong thing, are not seen. Pure.
 */
import type { FactKind } from '../../../pipelines/guidelines/checks.ts';
import { plainText } from '../../privacy/plain.ts';
import { givenText, list, type Checker, type Rule } from './checker.ts';
import { datesIn, type FoundDate } from './dates.ts';
import { folded, holds, sentencesOf, wordsOf } from './text.ts';

export const citations: Rule<'citations'> = {
  checker: ({ facts, allow, smallNumbers, minShared }) => {
    const always = allow.join('\n');
    const wants = (kind: FactKind): boolean => facts.includes(kind);
    return (answer, context) => {
      const given = `${givenText(context)}\n${always}`;
      const invented = [
        ...(wants('date') ? inventedDates(answer, given) : []),
        ...(wants('number') ? inventedNumbers(answer, given, smallNumbers) : []),
        ...(wants('quote') ? inventedQuotes(answer, given) : []),
        ...(wants('name') ? inventedNames(answer, given) : []),
      ];
      if (invented.length > 0) return `states what was not given: ${list(invented.slice(0, 5))}`;
      return sharesAFact(minShared)(answer, context);
    };
  },
  tell: ({ facts }) =>
    facts.length === 0
      ? 'Rest your answer on the given facts.'
      : `Say only what the question and its facts say: invent no ${facts.join(', no ')}.`,
};

function sharesAFact(least: number): Checker {
  return (answer, { facts = [] }) => {
    if (least === 0 || facts.length === 0) return undefined;
    const text = folded(answer);
    const most = Math.max(
      ...facts.map((fact) => [...new Set(wordsOf(folded(fact)))].filter((word) => holds(text, word)).length),
    );
    return most >= least ? undefined : `shares ${most} words with a given fact, fewer than ${least}`;
  };
}

function inventedDates(answer: string, given: string): readonly string[] {
  const known = datesIn(given);
  return datesIn(answer)
    .filter((date) => !known.some((other) => agree(date, other)))
    .map(({ written }) => written);
}

/** What both say of year, month, day and weekday is the same, and they say something in common. */
function agree(one: FoundDate, other: FoundDate): boolean {
  const both = (['year', 'month', 'day', 'weekday'] as const).filter(
    (part) => one[part] !== undefined && other[part] !== undefined,
  );
  const said = (['month', 'day', 'weekday'] as const).filter((part) => one[part] !== undefined);
  return both.every((part) => one[part] === other[part]) && said.every((part) => both.includes(part));
}

function inventedNumbers(answer: string, given: string, smallNumbers: number): readonly string[] {
  const known = new Set(numbersIn(given).flatMap(({ values }) => values));
  const ofDates = datesIn(answer);
  return numbersIn(answer)
    .filter(({ start }) => !ofDates.some((date) => start >= date.start && start < date.end))
    .filter(({ values }) => !values.some((value) => known.has(value) || isSmall(value, smallNumbers)))
    .map(({ written }) => written);
}

function isSmall(value: string, most: number): boolean {
  return /^\d{1,3}$/.test(value) && Number(value) > 0 && Number(value) <= most;
}

interface FoundNumber {
  readonly written: string;
  readonly start: number;
  /** What it can mean: `1.299` is one and a bit, or a thousand and some. */
  readonly values: readonly string[];
}

function numbersIn(text: string): readonly FoundNumber[] {
  // Plain digits of any script; every character stands where it stood, or a little before.
  return [...plainText(text).text.matchAll(/\d+(?:[.,:]\d+)*/g)].map((match) => ({
    written: match[0],
    start: match.index,
    values: valuesOf(match[0]),
  }));
}

function valuesOf(written: string): readonly string[] {
  const trim = (value: string): string => {
    const [whole = '', part = ''] = value.split('.');
    const decimals = part.replace(/0+$/, '');
    return (whole.replace(/^0+(?=\d)/, '') || '0') + (decimals === '' ? '' : `.${decimals}`);
  };
  const values = [written];
  if (written.length > 40) return values; // no amount, and no way to be written in two
  if (/^\d+$/.test(written)) values.push(trim(written));
  if (/^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/.test(written)) values.push(trim(written.replaceAll(',', '')));
  if (/^\d{1,3}(?:\.\d{3})+(?:,\d+)?$/.test(written)) {
    values.push(trim(written.replaceAll('.', '').replace(',', '.')));
  }
  if (/^\d+[.,]\d+$/.test(written)) values.push(trim(written.replace(',', '.')));
  return values;
}

/** Fewer words in quotation marks are emphasis. */
const LEAST_QUOTED = 3;

function inventedQuotes(answer: string, given: string): readonly string[] {
  const known = wordsOf(folded(given)).join(' ');
  const quotes = [...folded(answer).matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? '');
  return quotes.filter((quote) => {
    const words = wordsOf(quote);
    return words.length >= LEAST_QUOTED && !` ${known} `.includes(` ${words.join(' ')} `);
  });
}

/** Capitalised words that begin no sentence: names, in languages that write nothing else so. */
function inventedNames(answer: string, given: string): readonly string[] {
  const text = folded(given);
  const names = sentencesOf(answer).flatMap((sentence) =>
    wordsOf(sentence)
      .slice(1)
      .filter((word) => /^\p{Lu}\p{Ll}/u.test(word) && !NO_NAMES.has(folded(word))),
  );
  return [...new Set(names)].filter((name) => !holds(text, name.replace(/['’]s$/u, '')));
}

const NO_NAMES = new Set(
  "i i'm i'll i've i'd monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december".split(
    ' ',
  ),
);
