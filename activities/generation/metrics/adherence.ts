/** How answers keep the guidelines, over a set of prompts; and two ways of asking, on the same prompts. Pure. */
import type { Score } from '../../contract/measures.ts';
import { mcnemar, pairedShareInterval } from '../../validation/paired.ts';
import { NO_SCORE, shareScore } from '../../validation/scores.ts';
import type { Judge, Judgement } from '../judge.ts';

/** Share of answers that keep every guideline of severity `gate`, with Wilson's interval. */
export function adherenceScore(judgements: readonly Pick<Judgement, 'adherent'>[]): Score {
  return shareScore(judgements.filter(({ adherent }) => adherent).length, judgements.length);
}

export interface CheckRate {
  readonly id: string;
  readonly kind: string;
  readonly severity: 'gate' | 'soft';
  readonly meaning: string;
  /** Of the answers to prompts that the check is about. */
  readonly kept: Score;
}

/** One a check, those that are broken most first. */
export function checkRates(judge: Judge, judgements: readonly Judgement[]): readonly CheckRate[] {
  const rates = judge.checks.map(({ id, kind, severity, meaning }): CheckRate => {
    const about = judgements.filter(({ applied }) => applied.includes(id));
    const kept = about.filter(({ broken }) => !broken.includes(id)).length;
    return { id, kind, severity, meaning, kept: shareScore(kept, about.length) };
  });
  return rates.toSorted((a, b) => (a.kept.value ?? 1) - (b.kept.value ?? 1));
}

export interface AdherenceComparison {
  /** Treated minus control. */
  readonly difference: Score;
  /** Prompts that only the treated, and only the control, answers within the guidelines. */
  readonly won: number;
  readonly lost: number;
  readonly exactP: number;
  readonly midP: number;
}

/** McNemar's test, and Bonett and Price's interval of the difference. Throws RangeError unless both answered the same prompts. */
export function compareAdherence(
  treated: readonly Pick<Judgement, 'adherent'>[],
  control: readonly Pick<Judgement, 'adherent'>[],
): AdherenceComparison {
  const rows = treated.length;
  if (rows !== control.length) throw new RangeError(`${rows} answers cannot be paired with ${control.length}`);
  const won = treated.filter(({ adherent }, index) => adherent && !control[index]!.adherent).length;
  const lost = treated.filter(({ adherent }, index) => !adherent && control[index]!.adherent).length;
  const difference =
    rows === 0 ? NO_SCORE : { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows), rows };
  return { difference, won, lost, ...mcnemar({ won, lost }) };
}
