/** Labels that stand in their own texts: a model that reads them off learns nothing. Pure. */
import type { DataFinding } from '../contract/data.ts';
import { textInput, wholeText } from '../../inference/texts.ts';
import { quoted } from './checks.ts';
import { maskPersonalData } from '../privacy/scan.ts';
import { countLabels, labelsOf, type WithLabels } from './group.ts';
import { normaliseText } from './normalise.ts';

interface LabelledText extends WithLabels {
  readonly text: string;
  readonly pair?: string;
  readonly normalised: string;
}

/** Below this, one word in all rows of a label is likely by chance. */
const MIN_ROWS = 20;
/** Share of a label's rows, and of the rows with the word, that makes it a give-away. */
const SHARE = 0.99;
/** Share of a label's rows that name the label, where a warning is due. */
const NAMED_SHARE = 0.9;
/** A tell-tale stands early or often; longer texts are cut, to bound the time. */
const MAX_CHARACTERS = 2000;

/** Warns of each label whose name stands word for word in at least 90 % of its (≥ 20) rows. */
export function namedLabels(rows: readonly LabelledText[]): readonly DataFinding[] {
  const names = new Map([...countLabels(rows).keys()].map((label) => [label, wordsOf(label.toLowerCase()).join(' ')]));
  const isNamed = (label: string, normalised: string): boolean => {
    const name = names.get(label) ?? '';
    // Most texts do not even hold the name's first word: only the others are cut into words.
    const first = name.split(' ', 1)[0] ?? '';
    return first !== '' && normalised.includes(first) && ` ${wordsOf(normalised).join(' ')} `.includes(` ${name} `);
  };
  const named = countLabels(
    rows.map((row) => ({ label: '', labels: labelsOf(row).filter((label) => isNamed(label, row.normalised)) })),
  );
  return [...countLabels(rows)].flatMap(([label, total]) => {
    const hits = named.get(label) ?? 0;
    if (total < MIN_ROWS || hits < NAMED_SHARE * total) return [];
    return [warning('label-in-text', `${hits} of ${total} texts of ${quoted(label)} contain the label itself`)];
  });
}

/**
 * Warns once where every label with at least 20 rows (and there are two) has a single word that is in 99 % of its rows
 * and 99 % of whose rows are of that label.
 */
export function giveaways(rows: readonly LabelledText[]): readonly DataFinding[] {
  const byLabel = [...rowsByLabel(rows)].filter(([, group]) => group.length >= MIN_ROWS);
  if (byLabel.length < 2) return [];
  // A word in 99 % of n rows is in at least one of any ⌊n / 100⌋ + 1 of them: no others need counting.
  const candidates = new Set(
    byLabel.flatMap(([, group]) =>
      group.slice(0, Math.floor(group.length * (1 - SHARE)) + 1).flatMap(({ normalised }) => wordsOf(normalised)),
    ),
  );
  const counts = new Map<string, { rows: number; readonly labels: Map<string, number> }>();
  for (const row of rows) {
    for (const word of new Set(wordsOf(row.normalised))) {
      if (!candidates.has(word)) continue;
      const count = counts.get(word) ?? { rows: 0, labels: new Map<string, number>() };
      counts.set(word, count);
      count.rows += 1;
      for (const label of labelsOf(row)) count.labels.set(label, (count.labels.get(label) ?? 0) + 1);
    }
  }
  const words = byLabel.map(([label, group]) => {
    const found = [...counts].find(([, { rows: everywhere, labels }]) => {
      const here = labels.get(label) ?? 0;
      return here >= SHARE * group.length && here >= SHARE * everywhere;
    });
    return found === undefined ? undefined : `${quoted(shown(found[0], group))} for ${quoted(label)}`;
  });
  if (words.includes(undefined)) return [];
  const some = `${words.slice(0, 5).join(', ')}${words.length > 5 ? ', …' : ''}`;
  return [
    warning('label-leak', `one word gives every label away: ${some}; the model will learn these words and no more`),
  ];
}

function rowsByLabel(rows: readonly LabelledText[]): ReadonlyMap<string, readonly LabelledText[]> {
  const byLabel = new Map<string, LabelledText[]>();
  for (const row of rows) {
    for (const label of labelsOf(row)) {
      const group = byLabel.get(label);
      if (group === undefined) byLabel.set(label, [row]);
      else group.push(row);
    }
  }
  return byLabel;
}

function wordsOf(text: string): readonly string[] {
  return text.slice(0, MAX_CHARACTERS).match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/**
 * A long number could be somebody's, and is not needed to see what gives a label away; neither is a word that anywhere
 * belongs to an address or a key.
 */
function shown(word: string, rows: readonly LabelledText[]): string {
  const isOfValue = rows.some(({ text, pair, normalised }) => {
    if (!normalised.includes(word)) return false;
    const masked = new Set(wordsOf(normaliseText(maskPersonalData(wholeText(textInput(text, pair))))));
    return wordsOf(normalised).includes(word) && !masked.has(word);
  });
  return isOfValue ? '#' : word.replaceAll(/[0-9]{4,}/g, '#');
}

function warning(reason: string, message: string): DataFinding {
  return { severity: 'warning', reason, message };
}
