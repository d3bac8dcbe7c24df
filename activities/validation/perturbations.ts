/**
 * Edits that leave a message's meaning alone: a label that changes under them rests on something else (the invariance
 * tests of Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL 2020).
 */
export interface Perturbation {
  readonly name: string;
  apply(text: string): string;
}

export const PERTURBATIONS: readonly Perturbation[] = [
  { name: 'lower case', apply: (text) => text.toLowerCase() },
  { name: 'upper case', apply: (text) => text.toUpperCase() },
  { name: 'doubled spaces', apply: (text) => text.replaceAll(' ', '  ') },
  { name: 'surrounding white space', apply: (text) => ` \n${text}\t ` },
  {
    name: 'trailing punctuation',
    apply: (text) => (/[.!?…]+\s*$/u.test(text) ? text.replace(/[.!?…]+\s*$/u, '') || text : `${text}.`),
  },
];
