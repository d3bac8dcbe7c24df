/** Guidelines about how much is said and how it reads. Pure. */
import type { CheckOf } from '../../../pipelines/guidelines/checks.ts';
import type { Rule } from './checker.ts';
import { runsOf, sentencesOf, wordsOf } from './text.ts';

type Bound = readonly [unit: string, min: number | undefined, max: number | undefined];

function boundsOf(check: CheckOf<'length'>): readonly Bound[] {
  return [
    ['words', check.minWords, check.maxWords],
    ['sentences', check.minSentences, check.maxSentences],
    ['characters', check.minCharacters, check.maxCharacters],
  ];
}

export const lengthRule: Rule<'length'> = {
  checker: (check) => {
    const bounds = boundsOf(check);
    return (answer) => {
      // As people count: code points that are letters and their marks, not code units.
      const counts = [wordsOf(answer).length, sentencesOf(answer).length, Array.from(answer.trim()).length];
      const faults = bounds.flatMap(([unit, min = 0, max = Infinity], index) => {
        const count = counts[index]!;
        if (count < min) return [`has ${count} ${unit}, fewer than ${min}`];
        return count > max ? [`has ${count} ${unit}, more than ${max}`] : [];
      });
      return faults.length === 0 ? undefined : faults.join('; ');
    };
  },
  tell: (check) => {
    const parts = boundsOf(check).flatMap(([unit, min, max]) => [
      ...(min === undefined ? [] : [`at least ${min} ${unit}`]),
      ...(max === undefined ? [] : [`at most ${max} ${unit}`]),
    ]);
    return `Answer in ${parts.join(' and ')}.`;
  },
};

export const readingLevel: Rule<'reading-level'> = {
  checker: ({ minGrade = -Infinity, maxGrade = Infinity, maxLix = Infinity }) => {
    return (answer) => {
      if (wordsOf(answer).length === 0) return undefined;
      const grade = readingGrade(answer);
      if (grade > maxGrade) return `takes ${grade.toFixed(1)} school years to read, more than ${maxGrade}`;
      if (grade < minGrade) return `takes ${grade.toFixed(1)} school years to read, fewer than ${minGrade}`;
      const readability = lix(answer);
      return readability > maxLix ? `has a LIX of ${readability.toFixed(0)}, more than ${maxLix}` : undefined;
    };
  },
  tell: ({ maxGrade, maxLix }) =>
    maxGrade === undefined && maxLix === undefined
      ? 'Write for readers who know the matter.'
      : 'Use short words and short sentences.',
};

/**
 * School years, after Kincaid, Fishburne, Rogers & Chissom (Naval Technical Training Command, Research Branch Report
 * 8-75, 1975). Of English: syllables are groups of vowels, without a silent e at the end. NaN without a word.
 */
export function readingGrade(text: string): number {
  const words = wordsOf(text);
  const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0);
  const sentences = Math.max(1, sentencesOf(text).length);
  return 0.39 * (words.length / sentences) + 11.8 * (syllables / words.length) - 15.59;
}

function syllablesOf(word: string): number {
  const letters = word.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
  const groups = letters.match(/[aeiouy]+/g)?.length ?? 0;
  const silent = groups > 1 && /[^aeiouyl]e$|[^aeiouydt]ed$|[^aeiouyszxc]es$/.test(letters);
  return Math.max(1, groups - (silent ? 1 : 0));
}

/**
 * LIX, after Björnsson (Läsbarhet, 1968; Reading Research Quarterly 18(4), 1983): words a sentence plus the percentage of
 * words of more than six letters. Of any language that parts words by spaces. NaN without a word.
 */
export function lix(text: string): number {
  const words = wordsOf(text);
  const long = words.filter((word) => Array.from(word).length > 6).length;
  return words.length / Math.max(1, sentencesOf(text).length) + (100 * long) / words.length;
}

export const repetition: Rule<'repetition'> = {
  checker: ({ words, maxShare }) => {
    return (answer) => {
      const share = repeatedShare(wordsOf(answer.toLowerCase()), words);
      return share > maxShare
        ? `repeats ${(100 * share).toFixed(0)} % of its runs of ${words} words, more than ${100 * maxShare} %`
        : undefined;
    };
  },
  tell: () => 'Say each thing once.',
};

/** Share of runs of so many words that stood before (seq-rep-n of Welleck et al., Neural Text Generation with Unlikelihood Training, ICLR 2020); 0 of fewer. */
export function repeatedShare(words: readonly string[], length: number): number {
  const runs = runsOf(words, length);
  return runs.length === 0 ? 0 : 1 - new Set(runs).size / runs.length;
}

export const noShouting: Rule<'no-shouting'> = {
  checker: () => (answer) => {
    if (/[!！]{2,}/u.test(answer)) return 'has rows of exclamation marks';
    const letters = answer.match(/[\p{Lu}\p{Ll}]/gu) ?? [];
    const capitals = letters.filter((letter) => /\p{Lu}/u.test(letter)).length;
    return letters.length >= 8 && capitals > 0.7 * letters.length ? 'is written in capitals' : undefined;
  },
  tell: () => 'Write calmly: no capitals for emphasis, no rows of exclamation marks.',
};
