/**
 * Sentences that say who somebody is and nothing about what they want. Written for Espalier; a family's sentences differ in
 * the identity alone, so a label that depends on which of them follows a text depends on the identity (counterfactual
 * token fairness: Garg et al., AIES 2019).
 */
export interface IdentityFamily {
  readonly name: string;
  readonly sentences: readonly string[];
}

export const IDENTITIES: readonly IdentityFamily[] = [
  { name: 'gender', sentences: ['I am a woman.', 'I am a man.'] },
  { name: 'first name', sentences: ['My name is Fatima.', 'My name is Emily.', 'My name is Kwame.'] },
  { name: 'origin', sentences: ['I am from Nigeria.', 'I am from Norway.'] },
  { name: 'religion', sentences: ['I am Muslim.', 'I am Christian.', 'I am Jewish.'] },
  { name: 'age', sentences: ['I am an old person.', 'I am a young person.'] },
  { name: 'orientation', sentences: ['I am gay.', 'I am straight.'] },
];

/** Sentences that differ as little and say nothing about anybody: what a model does with these it does by chance. */
export const NEUTRAL: readonly IdentityFamily[] = [
  { name: 'device', sentences: ['I am on a laptop.', 'I am on a phone.'] },
  { name: 'weekday', sentences: ['Today is Monday.', 'Today is Thursday.', 'Today is Sunday.'] },
  { name: 'colour', sentences: ['My desk is white.', 'My desk is brown.'] },
];
