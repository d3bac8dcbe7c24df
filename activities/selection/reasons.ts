/** What a ranking says of each candidate, and of itself, in words. Pure. */
import type { SlotPrice } from '../../pipelines/inference-cost.ts';
import type { RankCandidatesInput } from '../contract/selection.ts';
import type { FoldsCount } from './pooled.ts';
import { isOfSameRows, type Standing } from './pareto.ts';

export type By = NonNullable<RankCandidatesInput['by']>;

/** What they are ranked by, in words. */
const SCORES: Readonly<Record<By, string>> = {
  probe: 'probe accuracy',
  'tuned-probe': 'probe accuracy',
  head: 'probe accuracy',
  neighbours: 'nearest-neighbour accuracy',
};

/** A candidate with what it is ranked by. */
export interface Ranked extends Standing {
  /** The quality, or the share right of validation and training rows together (pooled.ts). */
  readonly rankedBy: number;
}

/** How candidates are told apart. `alike`: all were timed on machines of one kind, so that the faster one is known. */
interface Told {
  readonly alike: boolean;
  readonly tolerance: number;
  readonly by: By;
  /** Training rows that it had not seen count beside validation. */
  readonly pooled: boolean;
}

function scoreOf({ by, pooled }: Pick<Told, 'by' | 'pooled'>): string {
  return `${SCORES[by]}${pooled ? ` with ${by === 'neighbours' ? 'training rows' : 'folds'}` : ''}`;
}

/** Training rows that a candidate had not seen when it was asked, in words. */
function unseen(by: By): string {
  return by === 'neighbours' ? 'training rows, each asked of all the others' : 'the folds of the training rows';
}

export function winning(winner: Ranked, equals: readonly Ranked[], { alike, tolerance, ...by }: Told): string {
  const score = `${scoreOf(by)} ${percent(winner.rankedBy)}, p95 ${figure(winner.latencyMs)} ms`;
  if (equals.length === 1) return `Chosen: the best ${scoreOf(by)} by more than ${points(tolerance)} (${score}).`;
  const others = equals.filter((one) => one !== winner).map((one) => one.id);
  const first = alike ? 'fastest' : 'most accurate';
  return `Chosen: the ${first} of ${equals.length} within ${points(tolerance)} of the best (${score}; the others: ${others.join(', ')}).${alike ? '' : ' They were timed on unlike machines: latency did not decide.'}`;
}

/** Why the winner's frozen probe is not simply released: it may be, if tuning gains nothing. */
export function toBeat({ id, quality, latencyMs, sizeMb, fittedOn }: Standing): string {
  const drawn = fittedOn === undefined ? '' : ` after ${fittedOn.rows} of ${fittedOn.of} training rows`;
  return (
    `To be beaten: without any tuning ${id} has probe accuracy ${percent(quality)}${drawn}, p95 ${figure(latencyMs)} ms, ${figure(sizeMb)} MB. ` +
    (fittedOn === undefined ? '' : 'Its probe is fitted anew on all of them before it is held against anything. ') +
    `The tuned model is held against it on the test rows (gates.gainOverProbe); training.method 'head' releases it instead.`
  );
}

/** `to`: the winner, in the form that `one` is compared in. */
export function losing(
  one: Ranked,
  winner: Ranked,
  { to, isEqual, alike, tolerance, ...by }: Told & { readonly to: string; readonly isEqual: boolean },
): string {
  const gap = `${scoreOf(by)} ${percent(one.rankedBy)} against ${percent(winner.rankedBy)} of ${to}`;
  if (isEqual && !alike)
    return `Equal within ${points(tolerance)} (${gap}) but not better; who is faster was not compared.`;
  return isEqual
    ? `Equal within ${points(tolerance)} (${gap}) but not faster: p95 ${figure(one.latencyMs)} ms against ${figure(winner.latencyMs)} ms.`
    : `Less accurate: ${gap}, more than ${points(tolerance)} below the best.`;
}

/**
 * What to say where a run that was upgraded, or whose method was changed, has probes of all rows beside probes of a draw:
 * fewer rows make a probe look worse than its encoder is.
 */
export function unlikeRows(measured: readonly Standing[]): string {
  const [first, ...others] = measured;
  if (first === undefined || others.every((one) => isOfSameRows(one, first))) return '';
  const shown = measured.map(({ id, fittedOn }) =>
    fittedOn === undefined ? `${id} had all` : `${id} had ${fittedOn.rows} of ${fittedOn.of}`,
  );
  return ` Not like with like: of the training rows ${shown.join(', ')}; fewer make a probe look worse than it is, so that between unlike ones nobody is left out as beyond chance.`;
}

/** The last of the rule: what stands behind the choice. */
const RULE_ENDS: Readonly<Record<By, string>> = {
  probe: "Each encoder's frozen probe is a candidate too: the winner's is what tuning must beat.",
  'tuned-probe': 'What tuning makes of the winner must beat its frozen embeddings (gates.gainOverFrozen).',
  head: "A head is trained on the winner, which stays as it is (training.method 'head'): that is its frozen probe, and no other form of it is a candidate.",
  neighbours: 'Nothing is tuned: what its neighbours are worth is what is served.',
};

/** `folds`: whether training rows count beside validation, or why not. */
export function ruleOf(
  selection: RankCandidatesInput['selection'],
  { by, folds, price }: { readonly by: By; readonly folds: FoldsCount; readonly price: SlotPrice | null },
): string {
  const limits = [
    selection.maxLatencyP95Ms === undefined ? [] : [`p95 latency ≤ ${figure(selection.maxLatencyP95Ms)} ms`],
    selection.maxSizeMb === undefined ? [] : [`size ≤ ${figure(selection.maxSizeMb)} MB`],
    selection.maxMemoryMb === undefined ? [] : [`memory ≤ ${figure(selection.maxMemoryMb)} MB`],
    selection.maxCostPer1000 === undefined
      ? []
      : [`cost ≤ ${figure(selection.maxCostPer1000)} ${price?.currency ?? ''} per 1,000`],
  ].flat();
  return (
    `Among candidates whose licence is not denied${limits.length === 0 ? '' : ` and with ${limits.join(', ')}`}: the best ${by === 'neighbours' ? `accuracy of the vote of ${selection.neighbours} nearest neighbours` : 'linear-probe accuracy'} ` +
    `on validation${folds.count ? ` and on ${unseen(by)}, row by row` : ''}; all within ${points(selection.tolerance)} of it are equals, and the one with the lowest p95 latency wins. ` +
    RULE_ENDS[by] +
    notCounted(folds, by)
  );
}

/** Why training rows do not count, a sentence; empty where they do, or where there is nothing to say. */
function notCounted({ tooKind, tooPoor, tooFew, unlike }: FoldsCount, by: By): string {
  const start = ` ${by === 'neighbours' ? 'Training rows' : 'The folds of the training rows'} do not count:`;
  if (tooFew !== undefined) {
    const only = `${start} only ${tooFew.rows} of ${tooFew.of} have a label with`;
    return by === 'neighbours'
      ? `${only} ${tooFew.others} others, and of fewer a vote without one of them says little.`
      : `${only} another row there, and a probe that has seen none of a label does not find it.`;
  }
  if (unlike !== undefined) {
    const asked = unlike.map(
      ({ id, askable }) => `${id} ${askable === undefined ? 'all' : `${askable.rows} of ${askable.of}`}`,
    );
    return `${start} not the same ones were asked of all (${asked.join(', ')}), and a label of few rows is in some alone.`;
  }
  if (tooKind !== undefined)
    return `${start} ${tooKind} does better on them than on validation, beyond chance; rows of one template or scene would explain it, or validation rows from elsewhere.`;
  if (tooPoor === undefined) return '';
  return `${start} on average ${percent(tooPoor.training)} of them are right and ${percent(tooPoor.validation)} of validation, a gap beyond chance; labels of few rows would explain it, which lose by the one that is left out.`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function points(share: number): string {
  return `${figure(share * 100)} points`;
}

/** Three significant digits, without trailing zeros. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
