/** `LICENSES/terms.json` of a bundle: what its licences ask of whoever serves it, for programs. TERMS.md says it to people. */
import { z } from 'zod';

export const TERMS_FILE = 'LICENSES/terms.json';
/** The use restrictions in words: what users of the model are bound to. */
export const TERMS_TEXT = 'TERMS.md';

/** A licence's duty: done, by which file of the bundle, or left to a person. */
const DutySchema = z.looseObject({
  licence: z.string(),
  /** What it asks for: a field of the intended use, a name, or only to be remembered. */
  duty: z.string(),
  text: z.string(),
  clause: z.string(),
  state: z.enum(['done', 'person']),
  /** Of the bundle; of a person's duty: the file that helps. */
  file: z.string().nullable(),
  note: z.string(),
});

export const BundleTermsSchema = z.looseObject({
  version: z.literal(1),
  licences: z.array(z.string()),
  /** Words to be shown where people meet the model. */
  builtWith: z.array(z.string()),
  /** Content made with it must be disclosed as made by a machine. */
  machineGenerated: z.boolean(),
  /** Uses that a licence forbids or limits, a sentence each. */
  restrictions: z.array(z.string()),
  duties: z.array(DutySchema),
});

export type CarriedDuty = Readonly<z.output<typeof DutySchema>>;
export type BundleTerms = Readonly<z.output<typeof BundleTermsSchema>>;

/** One line a duty, for people: what, by which clause, and whether it is done. */
export function dutyLine({ licence, text, clause, state, file, note }: CarriedDuty): string {
  const by = state === 'done' ? `done${file === null ? '' : ` by ${file}`}` : 'for a person';
  return `${licence}: ${text} (${clause}): ${by}${note === '' ? '' : `; ${note}`}`;
}
