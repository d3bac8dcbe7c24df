/**
 * An organisation's own rules: a YAML file, checked by a schema and known by its digest. Rules only tighten; the one
 * thing that loosens is a conclusion that a named person drew about one exact model, and it ends on a day.
 */
import { z } from 'zod';
import { digestBytes, digestJson } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { explainIssues } from '../explain.ts';
import type { ModelIdentity } from './decision.ts';
import { FIELDS } from './domains.ts';
import { FAMILIES, NO_LICENCE } from './open-licences.ts';
import { ASK_A_PERSON, findLicence, LICENCES, type Finding, type Row } from './rows.ts';
import { parseStrangersYaml } from './strangers-yaml.ts';
import { UseFactsSchema, type UseFacts } from './use.ts';

const stricter = z.enum(['review', 'deny']).default('review');
const sentence = z.string().trim().min(1).max(1000);
const licenceId = z
  .string()
  .refine((id) => findLicence(id) !== undefined, 'is not in the table of licences (docs/licences.md)');

const ConclusionSchema = z
  .strictObject({
    /** As a candidate names it: `org/name` of the Hub, else its source. */
    model: sentence,
    revision: sentence.optional(),
    licenceTextSha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'write the 64 hex digits of the text’s sha256')
      .optional(),
    concluded: licenceId,
    by: sentence,
    reason: sentence,
    expires: z.iso.date(),
  })
  .refine(({ revision, licenceTextSha256 }) => revision !== undefined || licenceTextSha256 !== undefined, {
    path: ['revision'],
    error: 'give a revision or a licenceTextSha256: a conclusion holds for one exact model or text',
  });

export const PolicySchema = z.strictObject({
  version: z.literal(1),
  /** What becomes of a case that the facts leave open. */
  defaults: z
    .strictObject({ unknownLicence: stricter, conflict: stricter, datasetNonCommercial: stricter })
    .prefault({}),
  /** When given: any licence that is not listed needs a person. */
  allow: z.strictObject({ licences: z.array(licenceId).min(1).max(500) }).optional(),
  rules: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z0-9-]{1,64}$/, 'write lower-case letters, digits and dashes'),
        when: z.strictObject({
          licences: z.array(licenceId).min(1).max(500).optional(),
          use: UseFactsSchema.omit({ hardware: true }).optional(),
        }),
        // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file; a string is not awaited
        then: z.enum(['review', 'deny']),
        reason: sentence,
        howToFix: sentence,
      }),
    )
    .max(1000)
    .default([]),
  conclusions: z.array(ConclusionSchema).max(10_000).default([]),
});
export type LicencePolicy = z.output<typeof PolicySchema>;
type Conclusion = LicencePolicy['conclusions'][number];

/** Raised with the evaluator: a decision names the rules it was made by. */
const RULES_VERSION = 2;
const TABLES = digestBytes(
  JSON.stringify([RULES_VERSION, LICENCES, FIELDS, [...FAMILIES], [...NO_LICENCE]], (_, value: unknown) =>
    value instanceof RegExp ? value.source : value,
  ),
);

/** A policy ready to be asked 100 000 times a second. */
export interface CompiledPolicy {
  /** Of the tables, the rules and the file: a decision under another digest is to be made again. */
  readonly digest: Digest;
  readonly defaults: LicencePolicy['defaults'];
  unlisted(row: Row): Finding | null;
  judge(rows: ReadonlySet<Row>, use: UseFacts): readonly Finding[];
  conclusion(
    identity: ModelIdentity | undefined,
    today: string,
  ): { row: Row | null; findings: readonly Finding[]; by?: Conclusion };
}

/** Conclusions that have ended: what was decided by them is to be decided again. */
export function endedConclusions(policy: LicencePolicy | undefined, today: string): readonly string[] {
  return (policy?.conclusions ?? [])
    .filter(({ expires }) => expires < today)
    .map(({ model, expires }) => `${model} until ${expires}`);
}

const NOTHING: readonly Finding[] = [];

export function compilePolicy(policy: LicencePolicy): CompiledPolicy {
  const listed = policy.allow && new Set(policy.allow.licences.map(findLicence));
  const rules = policy.rules.map((rule) => ({
    ...rule,
    rows: rule.when.licences && new Set(rule.when.licences.map(findLicence)),
    facts: Object.entries(rule.when.use ?? {}) as [keyof UseFacts, unknown][],
  }));
  const conclusions = new Map<string, Conclusion[]>();
  for (const one of policy.conclusions) conclusions.set(one.model, [...(conclusions.get(one.model) ?? []), one]);
  return {
    digest: digestJson({ tables: TABLES, policy }),
    defaults: policy.defaults,
    unlisted: (row) =>
      listed === undefined || listed.has(row)
        ? null
        : ofPolicy(
            'review',
            `${row.name} is not among the licences that the organisation allows`,
            'allow.licences',
            ASK_A_PERSON,
          ),
    judge(rows, use) {
      if (rules.length === 0) return NOTHING;
      return rules.flatMap((rule): readonly Finding[] => {
        if (rule.rows !== undefined && ![...rows].some((row) => rule.rows?.has(row))) return [];
        const matches = matchesUse(rule.facts, use);
        if (matches === false) return [];
        const undecided = matches === undefined ? ' (not all that it asks about is stated)' : '';
        return [
          ofPolicy(
            undecided === '' ? rule.then : 'review',
            `${rule.reason}${undecided}`,
            `rules.${rule.id}`,
            rule.howToFix,
          ),
        ];
      });
    },
    conclusion: (identity, today) => applyConclusion(conclusions.get(identity?.model ?? '') ?? [], identity, today),
  };
}

/** What applies without a policy file. */
export const NO_POLICY: CompiledPolicy = compilePolicy(PolicySchema.parse({ version: 1 }));

function ofPolicy(verdict: 'review' | 'deny', text: string, clause: string, fix: string): Finding {
  return { verdict, text, clause, source: 'the organisation’s policy', fix };
}

/** undefined: a fact that the rule asks about is not stated, so it may apply. */
function matchesUse(wanted: readonly [keyof UseFacts, unknown][], use: UseFacts): boolean | undefined {
  let matches: boolean | undefined = true;
  for (const [name, value] of wanted) {
    const stated = use[name];
    if (stated === undefined) matches = undefined;
    else if (typeof stated === 'string' ? stated.toLowerCase() !== String(value).toLowerCase() : stated !== value)
      return false;
  }
  return matches;
}

const NOT_CONCLUDED = { row: null, findings: NOTHING };

function applyConclusion(
  about: readonly Conclusion[],
  identity: ModelIdentity | undefined,
  today: string,
): ReturnType<CompiledPolicy['conclusion']> {
  if (identity === undefined || about.length === 0) return NOT_CONCLUDED;
  const whyNot = ({ revision, licenceTextSha256, expires }: Conclusion): string | undefined => {
    if (expires < today) return `expired on ${expires}`;
    if (revision !== undefined && revision !== identity.revision) return 'is about another revision';
    // Every text there is, not one of several: a second licence file is a change of terms.
    const sameText =
      identity.texts.length > 0 && identity.texts.every((text) => text === `sha256:${licenceTextSha256}`);
    return licenceTextSha256 !== undefined && !sameText ? 'is about another licence text' : undefined;
  };
  const by = about.find((one) => whyNot(one) === undefined);
  const row = by && findLicence(by.concluded);
  if (by !== undefined && row !== undefined) return { row, findings: NOTHING, by };
  return {
    row: null,
    findings: about.map((one) =>
      ofPolicy(
        'review',
        `the conclusion that ${one.by} drew about ${one.model} ${whyNot(one)}`,
        'conclusions',
        'draw it anew, or choose another model',
      ),
    ),
  };
}

/** @throws EspalierError BadConfig naming every mistake by its path */
export function parsePolicy(text: string, where: string): LicencePolicy {
  const refuse = (message: string): never => {
    throw new EspalierError('BadConfig', `the licence policy ${message}`, {
      where,
      fix: 'docs/licences.md shows a policy with every field',
    });
  };
  let value: unknown;
  try {
    value = parseStrangersYaml(text);
  } catch (error) {
    return refuse((error as Error).message.split('\n')[0] ?? '');
  }
  const parsed = PolicySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = explainIssues(PolicySchema, parsed.error.issues, value);
  return refuse(
    `has mistakes: ${problems
      .slice(0, 20)
      .map(
        ({ path, message, fix }) =>
          `${path === '' ? 'the whole' : path} ${message}${fix === undefined ? '' : ` (${fix})`}`,
      )
      .join('; ')}`,
  );
}
