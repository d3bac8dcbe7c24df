/** A table of cases, one JSON object a line: `{id, declared: {license, …}, intendedUse: {…}}` → one verdict each. */
import { z } from 'zod';
import { explainIssues } from '../explain.ts';
import { cardOf } from './card.ts';
import type { Judgement, ModelTerms, Parent } from './decision.ts';
import { evaluate } from './evaluate.ts';
import { termsOfCard } from './model-terms.ts';
import type { CompiledPolicy } from './policy.ts';
import { UseFactsSchema, type UseFacts } from './use.ts';

export type CaseVerdict = { readonly id: string | number } & Judgement;
export interface CaseFault {
  readonly line: number;
  readonly id: string | number | null;
  /** Where in the line; empty for the whole. */
  readonly field: string;
  readonly message: string;
}

export const MAX_LINE_CHARACTERS = 1024 * 1024;
const MAX_DEPTH = 16;
const texts = z.union([z.string(), z.array(z.string())]).nullish();
/** Fields of a card; a card has many others, which say nothing about terms. */
const declared = {
  license: texts,
  license_name: z.string().nullish(),
  license_link: z.string().nullish(),
  base_model: texts,
  base_model_relation: z.string().nullish(),
  datasets: z
    .union([
      z.string(),
      z.array(z.union([z.string(), z.looseObject({ name: z.string(), license: z.string().nullish() })])),
    ])
    .nullish(),
};
/** Beside the card: what the source that the model was taken from declares, and what is known of the models it was made from. */
interface Declared extends z.output<z.ZodObject<typeof declared>> {
  readonly upstream?: string | { readonly license?: string | readonly string[] | null | undefined } | null | undefined;
  readonly parents?: readonly (Declared & { readonly model: string })[] | null | undefined;
}
const DeclaredSchema: z.ZodType<Declared> = z.looseObject({
  ...declared,
  upstream: z.union([z.string(), z.looseObject({ license: texts })]).nullish(),
  get parents() {
    return z
      .array(z.intersection(z.looseObject({ model: z.string().min(1) }), DeclaredSchema))
      .max(100)
      .nullish();
  },
});
const CaseSchema = z.strictObject({
  id: z.union([z.string(), z.number()]),
  declared: DeclaredSchema,
  intendedUse: UseFactsSchema,
});

/** Judges one line; `use` stands in where a line has no intended use of its own. */
export function judgeLine(
  text: string,
  line: number,
  options: {
    readonly policy?: CompiledPolicy | undefined;
    readonly use?: UseFacts | undefined;
    readonly today: string;
  },
): CaseVerdict | CaseFault {
  const fault = (message: string, field = '', id: CaseFault['id'] = null): CaseFault => ({ line, id, field, message });
  if (text.length > MAX_LINE_CHARACTERS) return fault(`has more than ${MAX_LINE_CHARACTERS} characters`);
  if (text.includes('\uFFFD')) return fault('is not UTF-8 text');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fault(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fault('must be an object');
  if (depthOf(value) > MAX_DEPTH) return fault(`is nested more than ${MAX_DEPTH} deep`);
  const filled: Record<string, unknown> =
    options.use === undefined ? { ...value } : { intendedUse: options.use, ...value };
  const id = typeof filled['id'] === 'string' || typeof filled['id'] === 'number' ? filled['id'] : null;
  const parsed = CaseSchema.safeParse(filled);
  if (!parsed.success) {
    const [first] = explainIssues(CaseSchema, parsed.error.issues, filled);
    const { path = '', message = 'is not a case', fix } = first ?? {};
    return fault(fix === undefined ? message : `${message} (${fix})`, path, id);
  }
  const { data } = parsed;
  const terms = termsOfDeclared(data.declared);
  return { id: data.id, ...evaluate({ terms, use: data.intendedUse, today: options.today }, options.policy) };
}

function termsOfDeclared(value: Declared): ModelTerms {
  const parents = (value.parents ?? []).map((parent): Parent => ({
    model: parent.model,
    terms: termsOfDeclared(parent),
  }));
  const terms = termsOfCard(cardOf({ ...value, datasets: null }), parents);
  const { upstream } = value;
  const ofSource = typeof upstream === 'object' ? (upstream?.license ?? []) : (upstream ?? []);
  // What somebody meant to say about terms, and nobody here understands, must not be passed over.
  const strange = Object.keys(value).filter((name) => /licen[cs]e|parent|upstream/i.test(name) && !KNOWN.has(name));
  return {
    ...terms,
    declared: [...terms.declared, ...[ofSource].flat().map((id) => ({ id, by: 'its source' }))],
    doubts: [...terms.doubts, ...strange.map((name) => `declared.${name} is not understood`)],
    datasets: [value.datasets ?? []]
      .flat()
      .map((one) =>
        typeof one === 'string' ? { name: one, licence: null } : { name: one.name, licence: one.license ?? null },
      ),
  };
}
const KNOWN: ReadonlySet<string> = new Set([...Object.keys(declared), 'upstream', 'parents']);

function depthOf(value: unknown): number {
  let level: unknown[] = [value];
  let depth = 0;
  while (level.length > 0 && depth <= MAX_DEPTH) {
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
    depth += 1;
  }
  return depth;
}
