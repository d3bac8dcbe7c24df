import { deepEqual, equal, match } from 'node:assert/strict';
import {
  checkRow,
  classProblems,
  deduplicate,
  imbalance,
  quoted,
  type CheckedRow,
} from '../../activities/data/checks.ts';
import { giveaways, namedLabels } from '../../activities/data/leaks.ts';
import { normaliseText, textIdentity } from '../../activities/data/normalise.ts';
import { sentences } from './fixtures.ts';

const findLeaks = (rows: Parameters<typeof giveaways>[0]) => [...namedLabels(rows), ...giveaways(rows)];
const row = (line: number, text: string, label: string, split: CheckedRow['split'] = 'all'): CheckedRow => ({
  file: 'f',
  line,
  split,
  text,
  label,
  ...textIdentity(text),
});
const labelled = (rows: readonly { readonly text: string; readonly label: string }[]) =>
  rows.map(({ text, label }) => ({ label, text, normalised: normaliseText(text) }));

describe('data checks', () => {
  it('judges one row by itself', () => {
    const rules = { maxTextBytes: 16, labels: ['a', 'b'] };
    const reason = (text: string, label: string): string | undefined => checkRow({ text, label }, rules)?.reason;
    equal(reason('fine', 'a'), undefined);
    equal(reason('\u200B\t\uFEFF', 'a'), 'empty-text');
    equal(reason('👍', 'a'), undefined);
    equal(reason('fine', '  '), 'empty-label');
    equal(reason('fine', 'A'), 'unknown-label');
    equal(reason('ääääääää', 'a'), undefined);
    equal(reason('äääääääää', 'a'), 'too-long');
  });

  it('keeps the held-out one of equal rows and drops all of a contradiction', () => {
    const { kept, duplicates, conflicts } = deduplicate([
      row(1, 'Same', 'a', 'train'),
      row(2, 'same ', 'a', 'test'),
      row(3, 'SAME', 'a', 'validation'),
      row(4, 'other', 'a', 'train'),
      row(5, 'Other', 'b', 'test'),
      row(6, 'alone', 'a', 'train'),
    ]);
    deepEqual(
      kept.map(({ line }) => line),
      [2, 6],
    );
    deepEqual(
      duplicates.map(({ line }) => line).toSorted((one, other) => one - other),
      [1, 3],
    );
    deepEqual(
      conflicts.map(({ line }) => line),
      [4, 5],
    );
  });

  it('asks for two labels and enough rows of each', () => {
    const ten = (label: string) => Array.from({ length: 10 }, () => ({ label }));
    deepEqual(classProblems([...ten('a'), ...ten('b')], ['a', 'b'], 10), []);
    match(classProblems(ten('a'), ['a'], 3)[0] ?? '', /one label, 'a'/);
    match(classProblems([], [], 3)[0] ?? '', /0 rows of no label/);
    match(classProblems([...ten('a'), ...ten('b')], ['a', 'b', 'c'], 3)[0] ?? '', /'c' has 0/);
  });

  it('warns of imbalance from ten to one on', () => {
    const rows = (a: number) => [...Array.from({ length: a }, () => ({ label: 'a' })), { label: 'b' }, { label: 'b' }];
    equal(imbalance(rows(19)), undefined);
    match(imbalance(rows(20))?.message ?? '', /'a' has 20 rows, 'b' only 2/);
  });

  it('warns of a label that stands in its own texts', () => {
    const clean = sentences(60, ['late delivery', 'billing']);
    deepEqual(findLeaks(labelled(clean)), []);
    const named = clean.map(({ text, label }) => ({
      text: label === 'billing' ? text : `${text}: LATE-delivery.`,
      label,
    }));
    deepEqual(
      findLeaks(labelled(named)).map(({ reason }) => reason),
      ['label-in-text'],
    );
    const inWord = clean.map(({ text, label }) => ({ text: label === 'billing' ? `${text} rebillings` : text, label }));
    deepEqual(findLeaks(labelled(inWord)), []);
  });

  it('warns where one word gives every label away, and not where it gives only some away', () => {
    const tagged = sentences(60, ['x', 'y']).map(({ text, label }) => ({
      text: `${text} ${label === 'x' ? 'q17' : 'q23'}`,
      label,
    }));
    const found = findLeaks(labelled(tagged));
    deepEqual(
      found.map(({ reason }) => reason),
      ['label-leak'],
    );
    match(found[0]?.message ?? '', /'q17' for 'x', 'q23' for 'y'/);
    const half = tagged.map(({ text, label }, index) => ({
      text: label === 'x' && index % 10 === 0 ? text.replace('q17', '') : text,
      label,
    }));
    deepEqual(findLeaks(labelled(half)), []);
    deepEqual(findLeaks(labelled(tagged.slice(0, 30))), []);
  });

  it('shows no control characters of a label', () => equal(quoted('a\u001B[31m\n'), "'a\uFFFD[31m\uFFFD'"));
});
