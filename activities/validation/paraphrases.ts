/**
 * Texts in other words: phrases of a table that say the same (`pipelines/behaviour/built-in/paraphrases.jsonl`, English,
 * written for Espalier) stand for each other in any domain: contractions, polite forms, everyday phrases, numbers of days. A
 * label that changes hangs on the wording (invariance tests: Ribeiro et al., ACL 2020).
 */
import type { TextInput } from '../../inference/texts.ts';
import type { TextTableRow } from '../../pipelines/behaviour/text-tables.ts';
import { noiseFlips, type Asked, type NoiseFlips } from './invariance.ts';
import type { Perturbation } from './perturbations.ts';
import { notMeasured, shareScore } from './scores.ts';
import { textTable } from './text-tables.ts';

type Rule = TextTableRow<'paraphrases.jsonl'>;

/** Of each text that has a phrase of the table, whether its label changes with all of them replaced; `rows`: such texts. */
export async function paraphraseFlips(
  asked: Asked,
  texts: readonly TextInput[],
  predicted: Int32Array,
): Promise<NoiseFlips> {
  const flips = await noiseFlips(asked, texts, predicted, [paraphrase(textTable('paraphrases.jsonl'))]);
  const { edited, flipped } = flips.byEdit[0] ?? { edited: 0, flipped: 0 };
  const score = edited === 0 ? notMeasured('no text has a phrase of the table') : shareScore(flipped, edited);
  return { ...flips, score };
}

/** Every phrase that stands in a text, the longest first where several do, once from left to right: nothing is put in other words twice. */
export function paraphrase(rules: readonly Rule[]): Perturbation {
  const byPhrase = new Map(rules.map((rule) => [plain(rule.from), rule]));
  const phrases = [...byPhrase.keys()].toSorted((a, b) => b.length - a.length).map(pattern);
  const any = new RegExp(`(?<![\\p{L}\\p{N}'-])(?:${phrases.join('|')})(?![\\p{L}\\p{N}'-])`, 'giu');
  const apply = (text: string): string => {
    const read = plainMarks(text);
    const said = read.replace(any, (found: string, place: number) => {
      const rule = byPhrase.get(plain(found));
      if (rule === undefined) return found;
      const [before] = /[\p{L}']+(?=\s+$)/u.exec(read.slice(Math.max(0, place - NEAR), place)) ?? [];
      const [after] = /(?<=^\s+)[\p{L}']+/u.exec(read.slice(place + found.length, place + found.length + NEAR)) ?? [];
      return has(rule.notAfter, before) || has(rule.notBefore, after) ? found : inCaseOf(found, rule.to);
    });
    // Another apostrophe is no other word.
    return said === read ? text : said;
  };
  return { name: 'the same in other words', apply };
}

/** Characters in which the word beside a phrase stands. */
const NEAR = 40;

const has = (words: readonly string[] | undefined, word: string | undefined): boolean =>
  word !== undefined && words?.some((one) => one.toLowerCase() === word.toLowerCase()) === true;

/** Both apostrophes are one. */
const plainMarks = (text: string): string => text.replaceAll('’', "'");
const plain = (phrase: string): string => plainMarks(phrase).toLowerCase().replaceAll(/\s+/gu, ' ');
const pattern = (phrase: string): string => phrase.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replaceAll(' ', '\\s+');

/** As the writer writes: all small, all large, or with a large first letter. */
function inCaseOf(written: string, to: string): string {
  if (written === written.toLowerCase()) return to.toLowerCase();
  if (written.length > 2 && written === written.toUpperCase()) return to.toUpperCase();
  const [first = ''] = written;
  return first === first.toLowerCase() ? to : `${to.slice(0, 1).toUpperCase()}${to.slice(1)}`;
}
