/** One rule a kind of guideline: how an answer is checked, and how a model is told. Pure. */
import { isAbout } from '../../../pipelines/guidelines/about.ts';
import type { CheckKind, GuidelineCheck } from '../../../pipelines/guidelines/checks.ts';
import { maskPersonalData } from '../../privacy/scan.ts';
import type { CheckContext, Checker, Rule } from './checker.ts';
import { citations } from './citations.ts';
import { formatRule, jsonRule } from './format.ts';
import { languageRule } from './language.ts';
import { lengthRule, noShouting, readingLevel, repetition } from './measures.ts';
import { noPersonalData } from './personal-data.ts';
import { bannedPhrases, disclaimer, noInstructionEcho, noRoleLeak, patternRule, requiredPhrases } from './phrases.ts';
import { refusalRule } from './refusal.ts';
import { toneRule } from './tone.ts';

export const RULES: { readonly [Kind in CheckKind]: Rule<Kind> } = {
  'required-phrases': requiredPhrases,
  'banned-phrases': bannedPhrases,
  pattern: patternRule,
  length: lengthRule,
  tone: toneRule,
  'reading-level': readingLevel,
  format: formatRule,
  json: jsonRule,
  'no-personal-data': noPersonalData,
  refusal: refusalRule,
  citations,
  language: languageRule,
  repetition,
  disclaimer,
  'no-shouting': noShouting,
  'no-role-leak': noRoleLeak,
  'no-instruction-echo': noInstructionEcho,
};

/** What is longer is judged by its beginning: time is bounded, and such an answer is no answer. */
const MAX_ANSWER_CHARACTERS = 100_000;
const MAX_DETAIL_CHARACTERS = 200;

export interface PreparedCheck {
  readonly check: GuidelineCheck;
  /** For people. */
  readonly meaning: string;
  /** For the model. */
  readonly tell: string;
  /** Whether the check is about this prompt. */
  readonly applies: (context: CheckContext) => boolean;
  /** What is wrong, fit to be shown: values of personal data masked, cut to a line. undefined: kept. */
  readonly fault: Checker;
}

export function prepareCheck(check: GuidelineCheck): PreparedCheck {
  const rule = RULES[check.kind] as Rule<CheckKind>;
  const checker = rule.checker(check);
  const isAsked = isAbout(check);
  const tell = check.tell ?? `${conditionTold(check)}${rule.tell(check)}`;
  return {
    check,
    tell,
    meaning: check.meaning ?? tell,
    applies: ({ prompt }) => isAsked(prompt),
    fault: (answer, context) => {
      const found = checker(answer.slice(0, MAX_ANSWER_CHARACTERS), context);
      return found === undefined ? undefined : fitToShow(found);
    },
  };
}

/** When a rule holds, in words; '' where it always does. */
function conditionTold({ when }: GuidelineCheck): string {
  if (when === undefined) return '';
  const parts = [
    ...(when.promptMatches === undefined ? [] : [`has ${patternTold(when.promptMatches)}`]),
    ...(when.promptLacks === undefined ? [] : [`does not have ${patternTold(when.promptLacks)}`]),
  ];
  return `Where the question ${parts.join(' and ')}: `;
}

/** Words that a pattern lists are listed; of another its source is shown. */
function patternTold(source: string): string {
  const bare = source.replace(/^\\b(?:\(\?:|\()?|\)?\\b$/g, '');
  const words = bare.split('|');
  return words.every((word) => /^[\p{L}\p{N} '’-]+$/u.test(word))
    ? words.map((word) => `"${word}"`).join(' or ')
    : `something of the form ${source}`;
}

/** One line, without the values of personal data, cut where it is long. */
export function fitToShow(detail: string): string {
  const line = maskPersonalData(detail.slice(0, 4 * MAX_DETAIL_CHARACTERS)).replaceAll(/[\p{Cc}\s]+/gu, ' ');
  return line.length <= MAX_DETAIL_CHARACTERS ? line : `${line.slice(0, MAX_DETAIL_CHARACTERS - 1)}…`;
}
