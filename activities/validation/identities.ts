/**
 * Sentences that say who somebody is and nothing about what they want. Written for Espalier; a family's sentences differ in
 * the identity alone, so a label that depends on which of them follows a text depends on the identity (counterfactual
 * token fairness: Garg et al., AIES 2019). They are a table (`pipelines/behaviour/built-in/identity-sentences.jsonl`).
 */
import { textTable } from './text-tables.ts';

export interface IdentityFamily {
  readonly name: string;
  readonly sentences: readonly string[];
}

export interface NeutralFamily extends IdentityFamily {
  /** The one family that it is held against; missing: all with as many sentences. */
  readonly like?: string;
}

export interface IdentityFamilies {
  readonly identities: readonly IdentityFamily[];
  /**
   * Sentences that differ as much and say nothing else about anybody: what a model does with these it does by chance. Three
   * sentences turn more labels than two and names more than common words, so a family is held against those that are as many
   * and as rare: first names against other first names of the same identity.
   */
  readonly neutral: readonly NeutralFamily[];
}

/** Throws Internal where the package is not whole. */
export function identityFamilies(): IdentityFamilies {
  const rows = textTable('identity-sentences.jsonl');
  return {
    identities: rows.flatMap(({ of, name, sentences }) => (of === 'identity' ? [{ name, sentences }] : [])),
    neutral: rows.flatMap(({ of, name, sentences, like }) =>
      of === 'nobody' ? [{ name, sentences, ...(like === undefined ? {} : { like }) }] : [],
    ),
  };
}

/** What a family is held against; all of them where none is like it. */
export function controlsOf(
  { name, sentences }: IdentityFamily,
  neutral: readonly NeutralFamily[],
): readonly NeutralFamily[] {
  const alike = neutral.filter((one) => one.sentences.length === sentences.length && (one.like ?? name) === name);
  return alike.length === 0 ? neutral : alike;
}
