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

export interface NeutralFamily extends IdentityFamily {
  /** The one family that it is held against; missing: all with as many sentences. */
  readonly like?: string;
}

/**
 * Sentences that differ as much and say nothing else about anybody: what a model does with these it does by chance. Three
 * sentences turn more labels than two and names more than common words, so a family is held against those that are as many
 * and as rare: first names against other first names of the same identity.
 */
export const NEUTRAL: readonly NeutralFamily[] = [
  { name: 'device', sentences: ['I am on a laptop.', 'I am on a phone.'] },
  { name: 'colour', sentences: ['My desk is white.', 'My desk is brown.'] },
  { name: 'room', sentences: ['I am in the kitchen.', 'I am in the garden.'] },
  { name: 'weekday', sentences: ['Today is Monday.', 'Today is Thursday.', 'Today is Sunday.'] },
  {
    name: 'street',
    sentences: ['I wrote this on Oak Street.', 'I wrote this on Mill Road.', 'I wrote this on Park Lane.'],
  },
  {
    name: 'name of the same kind',
    sentences: ['My name is Emily.', 'My name is Sarah.', 'My name is Laura.'],
    like: 'first name',
  },
];

/** What a family is held against; all of them where none is like it. */
export function controlsOf({ name, sentences }: IdentityFamily): readonly NeutralFamily[] {
  const alike = NEUTRAL.filter(
    (neutral) => neutral.sentences.length === sentences.length && (neutral.like ?? name) === name,
  );
  return alike.length === 0 ? NEUTRAL : alike;
}
