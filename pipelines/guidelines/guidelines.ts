/**
 * Communication guidelines: what answers of a generative model must and must not be, as data that people write, review
 * and version. One YAML file; the checks are applied by activities/generation/guidelines.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { digestJson } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { Problem } from '../check.ts';
import { describeProblem, explainIssues } from '../explain.ts';
import { decodeUtf8, parseStrangersYaml } from '../licence/strangers-yaml.ts';
import { CheckSchema, type CheckKind, type CheckOf, type GuidelineCheck } from './checks.ts';

const MAX_BYTES = 256 * 1024;
/** Each check runs on each answer. */
const MAX_CHECKS = 100;
const SHOWN_PROBLEMS = 20;

export const GuidelinesSchema = z.strictObject({
  version: z.literal(1),
  /** For people. */
  description: z.string().trim().max(4000).default(''),
  /** What the model is told it is, before the rules: "You answer customers of a book shop." */
  role: z.string().trim().min(1).max(2000).optional(),
  checks: z.array(CheckSchema).min(1).max(MAX_CHECKS),
});
export type Guidelines = Readonly<z.output<typeof GuidelinesSchema>>;

export type CheckedGuidelines =
  | { readonly ok: true; readonly guidelines: Guidelines; readonly digest: Digest }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads guidelines from YAML (or JSON, which is YAML). Not `ok`: every mistake, by path. Never throws. */
export function checkGuidelines(text: string): CheckedGuidelines {
  if (text.length > MAX_BYTES) {
    return fault({ path: '', message: `has ${text.length} characters; at most ${MAX_BYTES} are read` });
  }
  let value: unknown;
  try {
    value = parseStrangersYaml(text);
  } catch (error) {
    return fault({ path: '', message: (error as Error).message });
  }
  const parsed = GuidelinesSchema.safeParse(value);
  if (!parsed.success) return { ok: false, problems: explainIssues(GuidelinesSchema, parsed.error.issues, value) };
  const problems = ruleProblems(parsed.data.checks);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, guidelines: parsed.data, digest: guidelinesDigest(parsed.data) };
}

/** Of what the guidelines say, however the file is written: comments, order of keys and defaults spelt out do not count. */
export function guidelinesDigest(guidelines: Guidelines): Digest {
  return digestJson(guidelines);
}

/** @throws EspalierError BadConfig with every mistake, by path */
export function parseGuidelines(text: string, where: string): Guidelines {
  const checked = checkGuidelines(text);
  if (checked.ok) return checked.guidelines;
  const shown = checked.problems
    .slice(0, SHOWN_PROBLEMS)
    .map((problem) => describeProblem({ ...problem, path: problem.path === '' ? 'the file' : problem.path }));
  const more = checked.problems.length - shown.length;
  throw new EspalierError(
    'BadConfig',
    `the guidelines cannot be used: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
    { where, fix: 'the kinds of checks and their settings are in docs/generation.md' },
  );
}

/**
 * @param named the file, relative to `folder`
 * @throws EspalierError NotFound where there is no such file; BadConfig with every mistake, by path
 */
export function readGuidelines(named: string, folder: string): Guidelines {
  const path = resolve(folder, named);
  const fix = "correct the definition's guidelines; the path is relative to its folder";
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    throw new EspalierError('NotFound', `there is no file of guidelines at ${named}`, { where: path, fix });
  }
  const text = found.size > MAX_BYTES ? undefined : decodeUtf8(readFileSync(path));
  if (text !== undefined) return parseGuidelines(text, named);
  throw new EspalierError('BadConfig', `${named} is not UTF-8 text of at most ${MAX_BYTES} bytes`, {
    where: path,
    fix,
  });
}

/** Mistakes between fields: an id that stands twice, settings that say nothing or contradict each other. */
function ruleProblems(checks: readonly GuidelineCheck[]): readonly Problem[] {
  const firstOf = new Map<string, number>();
  const found = checks.flatMap((check, index): readonly Problem[] => {
    const path = `checks[${index}]`;
    const first = firstOf.get(check.id) ?? index;
    firstOf.set(check.id, first);
    const twice = {
      path: `${path}.id`,
      message: `is '${check.id}', as of checks[${first}]`,
      fix: 'give it one of its own',
    };
    return [...(first === index ? [] : [twice]), ...emptyCheck(check).map((problem) => ({ path, ...problem }))];
  });
  if (checks.some(({ severity }) => severity === 'gate')) return found;
  return [...found, { path: 'checks', message: 'has no check of severity gate: every answer would adhere' }];
}

type Fault = Omit<Problem, 'path'>;

/** What a check needs to say anything. Kinds that are not here need nothing more. */
const EMPTY: { readonly [Kind in CheckKind]?: (check: CheckOf<Kind>) => readonly Fault[] } = {
  length: (check) => [
    ...lacks(check, ['minWords', 'maxWords', 'minSentences', 'maxSentences', 'minCharacters', 'maxCharacters']),
    ...contradicts(check.minWords, check.maxWords, 'Words'),
    ...contradicts(check.minSentences, check.maxSentences, 'Sentences'),
    ...contradicts(check.minCharacters, check.maxCharacters, 'Characters'),
  ],
  'reading-level': (check) => [
    ...lacks(check, ['minGrade', 'maxGrade', 'maxLix']),
    ...contradicts(check.minGrade, check.maxGrade, 'Grade'),
  ],
  tone: (check) =>
    check.prefer.length + check.avoid.length > 0 ? [] : lacks(check, ['tone', 'prefer', 'avoid'], ['tone']),
  language: (check) => lacks(check, ['language', 'script']),
  citations: ({ facts, minShared }) =>
    facts.length > 0 || minShared > 0 ? [] : [{ message: 'asks for nothing', fix: 'name facts, or set minShared' }],
  refusal: ({ must, when }) =>
    must === 'answer' || when !== undefined
      ? []
      : [{ message: 'refuses every prompt', fix: 'say in `when` which prompts must be refused' }],
};

function emptyCheck(check: GuidelineCheck): readonly Fault[] {
  const faults = EMPTY[check.kind] as ((check: GuidelineCheck) => readonly Fault[]) | undefined;
  return faults?.(check) ?? [];
}

function lacks<C extends GuidelineCheck>(check: C, named: readonly string[], looked = named): readonly Fault[] {
  const settings: Readonly<Record<string, unknown>> = check;
  if (looked.some((name) => settings[name] !== undefined)) return [];
  return [{ message: 'says nothing', fix: `set one of ${named.join(', ')}` }];
}

function contradicts(min = 0, max = Infinity, of: string): readonly Fault[] {
  return min <= max
    ? []
    : [{ message: `asks for at least ${min} and at most ${max}`, fix: `set min${of} below max${of}` }];
}

function fault(problem: Problem): CheckedGuidelines {
  return { ok: false, problems: [problem] };
}
