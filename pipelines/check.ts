/** Checks a definition before anything runs, and reports every mistake at once, each by its path. */
import type { z } from 'zod';
import { crossProblems } from './rules.ts';
import { PipelineSchema, schemaOf, type Pipeline } from './definition.ts';
import { explainIssues } from './explain.ts';

/** One mistake: `path` is where (`candidates[1].model`; empty for the whole), `message` what, `fix` the way out. */
export interface Problem {
  readonly path: string;
  readonly message: string;
  readonly fix?: string;
}

export type Checked =
  | { readonly ok: true; readonly pipeline: Pipeline; readonly notes: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface CheckOptions {
  /** The definition's folder: local data files and model folders are then looked for. */
  readonly folder?: string;
}

/**
 * Parses a definition and resolves its defaults. Not `ok`: `problems` has all mistakes, of the schema and of the rules
 * between fields alike, in the definition's order. `notes` are no mistakes, but worth a look. Never throws.
 */
export function checkPipeline(value: unknown, options: CheckOptions = {}): Checked {
  const schema = schemaOf(value);
  const parsed = PipelineSchema.safeParse(value);
  // The union tells one mistake of a task that it does not know; the schema of texts tells the others, too.
  const issues = parsed.success ? [] : (schema.safeParse(value).error?.issues ?? []);
  const fromSchema = explainIssues(schema, issues, value);
  const { problems: fromRules, notes } = crossProblems(value, options.folder);
  const problems = sortByDefinition([...fromSchema, ...fromRules], schema);
  if (parsed.success && problems.length === 0) return { ok: true, pipeline: parsed.data, notes };
  return { ok: false, problems };
}

/** In the order in which the schema names its sections; within one, as found. */
function sortByDefinition(problems: readonly Problem[], schema: z.ZodObject): readonly Problem[] {
  const sections = Object.keys(schema.shape);
  const place = (problem: Problem) => sections.indexOf(/^\w*/.exec(problem.path)?.[0] ?? '');
  return problems.toSorted((left, right) => place(left) - place(right));
}
