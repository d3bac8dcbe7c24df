import { z } from 'zod';

export const BEHAVIOUR_KINDS = ['minimum-functionality', 'invariance', 'directional'] as const;
export type BehaviourKind = (typeof BEHAVIOUR_KINDS)[number];

/**
 * Tables of behaviour tests (docs/gates.md), a gate each by its name. What a person wrote down to hold is all that is asked,
 * and no sample of it: the share that holds is judged itself, its interval is shown.
 */
export const BehaviourSchema = z.record(
  z
    .string()
    .regex(/^[a-z][a-zA-Z0-9]{0,62}$/, 'write a name like lateParcels: letters and digits, beginning with a small one'),
  z.strictObject({
    /**
     * `minimum-functionality`: a text, a pair of them, or a picture, has this label, or just these. `invariance`: two have the same (paraphrases, typos, names).
     * `directional`: an edit must not make a label less, or more, likely than it was. Of a finder's pictures they say what is found
     * among the first k, of generated text what an answer says and keeps (docs/gates.md).
     */
    kind: z.enum(BEHAVIOUR_KINDS),
    /** A CSV or JSONL file (of generated text JSONL), relative to the definition's folder, or of texts an address. Pictures lie beside it. */
    file: z.string().min(1),
    /** Share of its tests that must hold: only who wrote them knows which may fail. */
    min: z.number().min(0).max(1),
    severity: z.enum(['fail', 'warn', 'off']).default('fail'),
  }),
);
export type BehaviourSpec = z.output<typeof BehaviourSchema>;
/** Without what judges: another threshold leaves the data as they are. */
export type BehaviourTables = Readonly<Record<string, Pick<BehaviourSpec[string], 'kind' | 'file'>>>;
