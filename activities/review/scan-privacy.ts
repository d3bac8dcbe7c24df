/** Counts personal data in a prepared dataset: what the reviewer sees before anything is trained on it. */
import { setImmediate as letOthersRun } from 'node:timers/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import type { PiiKind, PrivacySummary, ScanPrivacyInput, Split } from '../contract.ts';
import { loadSplit, SPLITS } from '../data/dataset.ts';
import type { StepDefinition } from '../step.ts';
import { findPersonalData } from './pii.ts';

const KINDS: readonly PiiKind[] = ['email', 'phone', 'card', 'iban'];
const SAMPLES_A_KIND = 5;
/** Characters between two pauses: well under a second of scanning. */
const PAUSE_CHARACTERS = 500_000;

type Count = { rows: number; matches: number };

/** Throws BadData with the counts, and no value, where the definition says that personal data refuses the data. */
export const scanPrivacy: StepDefinition<ScanPrivacyInput, PrivacySummary> = {
  type: 'review.privacy',
  version: 1,
  async run({ dataset, onPersonalData }, context) {
    const counts = Object.fromEntries(KINDS.map((kind) => [kind, emptyCounts()])) as Record<
      PiiKind,
      Record<Split, Count>
    >;
    const samples: PrivacySummary['samples'][number][] = [];
    let rowsScanned = 0;
    let characters = 0;
    for (const split of SPLITS) {
      for (const { id, text } of await loadSplit(context.store, dataset, split, context.signal)) {
        const matches = findPersonalData(text);
        for (const kind of new Set(matches.map((match) => match.kind))) counts[kind][split].rows += 1;
        for (const { kind, redacted } of matches) {
          counts[kind][split].matches += 1;
          if (samples.filter((sample) => sample.kind === kind).length < SAMPLES_A_KIND) {
            samples.push({ kind, redacted, rowId: id });
          }
        }
        rowsScanned += 1;
        characters += text.length;
        if (characters < PAUSE_CHARACTERS) continue;
        characters = 0;
        context.progress({ phase: 'scanning for personal data', done: rowsScanned, note: split });
        await letOthersRun();
        context.signal.throwIfAborted();
      }
    }
    if (onPersonalData === 'fail') refuseAny(counts);
    return { rowsScanned, counts, samples };
  },
};

function refuseAny(counts: PrivacySummary['counts']): void {
  const found = KINDS.map((kind) => ({ kind, ...total(counts[kind]) })).filter(({ matches }) => matches > 0);
  if (found.length === 0) return;
  const parts = found.map(({ kind, rows, matches }) => `${kind}: ${matches} in ${rows} row${rows === 1 ? '' : 's'}`);
  throw new EspalierError('BadData', `the data hold personal data (${parts.join('; ')})`, {
    where: 'data.onPersonalData',
    fix: "remove or mask these values in the data files, or set data.onPersonalData to 'warn' and let the reviewer decide",
  });
}

function total(counts: Readonly<Record<Split, Count>>): Count {
  const all = SPLITS.map((split) => counts[split]);
  return { rows: sum(all.map(({ rows }) => rows)), matches: sum(all.map(({ matches }) => matches)) };
}

function emptyCounts(): Record<Split, Count> {
  return { train: { rows: 0, matches: 0 }, validation: { rows: 0, matches: 0 }, test: { rows: 0, matches: 0 } };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
