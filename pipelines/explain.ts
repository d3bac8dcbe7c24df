/** Turns the schema's complaints into sentences with a path, the value that was found, and a suggestion. No I/O. */
import type { z } from 'zod';
import type { Problem } from './check.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Every issue as a problem; `value` is what was parsed (issues do not carry it). */
export function explainIssues(schema: z.core.$ZodType, issues: readonly Issue[], value: unknown): readonly Problem[] {
  return issues.flatMap((issue) => explain(schema, issue, [], value));
}

function explain(schema: z.core.$ZodType, issue: Issue, parent: Path, value: unknown): readonly Problem[] {
  const path = [...parent, ...issue.path];
  const found = valueAt(value, path);
  const at = (message: string, fix?: string): readonly Problem[] => [
    { path: showPath(path), message, ...(fix === undefined ? {} : { fix }) },
  ];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(schema, path, key));
  if (found === undefined) return at('is missing', example(issue));
  switch (issue.code) {
    case 'invalid_type':
      // Of what another task has and this one refuses, the schema says why.
      if (issue.expected === 'never') return at(issue.message);
      return at(`must be ${TYPE_WORDS[issue.expected] ?? issue.expected}, got ${show(found)}`, ownWords(issue));
    case 'invalid_value':
      return at(
        `must be ${issue.values.map((one) => show(one)).join(' or ')}, got ${show(found)}`,
        nearest(issue, found),
      );
    case 'too_big':
      return at(`must be at most ${limit(issue.maximum, issue.origin)}${exclusive(issue)}, got ${size(found)}`);
    case 'too_small':
      if (issue.minimum === 1 && (found === '' || (Array.isArray(found) && found.length === 0))) {
        return at('must not be empty');
      }
      return at(
        `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${limit(issue.minimum, issue.origin)}, got ${size(found)}`,
      );
    case 'invalid_format':
      return at(`has a form that is not allowed: ${show(found)}`, issue.message);
    case 'invalid_union':
      return explainUnion(schema, issue, path, value);
    case 'invalid_key':
      return at('is a name that is not allowed', issue.issues[0]?.message);
    case 'not_multiple_of':
    case 'invalid_element':
    case 'custom':
      return at(issue.message);
  }
}

/** Of a union's branches, the one of the value's own kind; if there is none, what would be allowed. */
function explainUnion(
  schema: z.core.$ZodType,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: Path,
  value: unknown,
): readonly Problem[] {
  // Of a union told apart by one field, no branch was tried.
  if (issue.errors.length === 0) return [{ path: showPath(path), message: issue.message }];
  const ofOwnKind = issue.errors.find((branch) => branch.every((one) => !isOfOtherKind(one)));
  if (ofOwnKind !== undefined) return ofOwnKind.flatMap((one) => explain(schema, one, path, value));
  const found = valueAt(value, path);
  const firsts = issue.errors.flatMap((branch) => branch[0] ?? []);
  const named = firsts.filter((one) => one.code === 'invalid_value');
  const allowed = firsts.flatMap((one) =>
    one.code === 'invalid_type'
      ? [TYPE_WORDS[one.expected] ?? one.expected]
      : one.code === 'invalid_value'
        ? one.values.map((each) => show(each))
        : [],
  );
  const close =
    named.map((one) => nearest(one, found)).find((one) => one !== undefined) ??
    firsts
      .filter(({ code }) => code === 'invalid_type')
      .map(ownWords)
      .find((one) => one !== undefined);
  const fix = close === undefined ? {} : { fix: close };
  return [{ path: showPath(path), message: `must be ${allowed.join(' or ')}, got ${show(found)}`, ...fix }];
}

/** Whether a branch of a union was meant for another kind of value, or for other words. */
function isOfOtherKind({ path, code }: Issue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function unknownKey(schema: z.core.$ZodType, path: Path, key: string): Problem {
  const known = keysAt(schema, path);
  const close = closest(key, known);
  return {
    path: showPath([...path, key]),
    message: 'is not a setting here',
    fix: close === undefined ? `known here: ${known.join(', ')}` : `did you mean '${close}'?`,
  };
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

function example(issue: Issue): string | undefined {
  if (issue.code === 'invalid_type') return `add ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `add ${issue.values.map((one) => show(one)).join(' or ')}`;
  return undefined;
}

/** What the schema itself says of a value of another kind, in place of the library's words. */
function ownWords({ message }: Issue): string | undefined {
  return message.startsWith('Invalid input') ? undefined : message;
}

function nearest(issue: Extract<Issue, { code: 'invalid_value' }>, found: unknown): string | undefined {
  const close = typeof found === 'string' ? closest(found, issue.values.map(String)) : undefined;
  return close === undefined ? undefined : `did you mean '${close}'?`;
}

const exclusive = (issue: Extract<Issue, { code: 'too_big' }>) => (issue.inclusive === false ? ' (excluded)' : '');

function limit(bound: number | bigint, origin: string): string {
  if (origin === 'string') return `${bound} characters long`;
  return origin === 'array' ? `${bound} entries long` : String(bound);
}

const size = (found: unknown) =>
  Array.isArray(found)
    ? `${found.length} entries`
    : typeof found === 'string'
      ? `${found.length} characters`
      : show(found);

/** A value as a reader would write it, cut to a line. */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  const text = typeof value === 'string' ? `'${value.replaceAll(/\p{Cc}/gu, ' ')}'` : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…'` : text;
}

/** `['candidates', 1, 'model']` → `candidates[1].model`. */
export function showPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const key = /^[\w-]+$/.test(String(part)) ? String(part) : JSON.stringify(String(part));
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  );
}

/** The keys that the schema knows at a path, through defaults, options and unions. */
function keysAt(schema: z.core.$ZodType, path: Path): readonly string[] {
  const { def } = schema._zod as unknown as { def: { type: string } & Record<string, unknown> };
  if (def['innerType'] !== undefined) return keysAt(def['innerType'] as z.core.$ZodType, path);
  if (def.type === 'union') return (def['options'] as z.core.$ZodType[]).flatMap((option) => keysAt(option, path));
  const [first, ...rest] = path;
  if (def.type === 'array') return first === undefined ? [] : keysAt(def['element'] as z.core.$ZodType, rest);
  if (def.type !== 'object') return [];
  const shape = def['shape'] as Record<PropertyKey, z.core.$ZodType>;
  if (first === undefined) return Object.keys(shape);
  const next = shape[first];
  return next === undefined ? [] : keysAt(next, rest);
}

/** The nearest of the known names, if it is near enough to be a slip: a third of the letters, at least two edits. */
export function closest(written: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((name) => ({ name, distance: editDistance(written.toLowerCase(), name.toLowerCase()) }))
    .toSorted((left, right) => left.distance - right.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(2, Math.floor(written.length / 3)) ? best.name : undefined;
}

/** Levenshtein's distance, row by row. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** One line a problem, for a terminal or an error's message. */
export function describeProblem(problem: Problem): string {
  const fix = problem.fix === undefined ? '' : ` (${problem.fix})`;
  return `${problem.path === '' ? 'the definition' : problem.path}: ${problem.message}${fix}`;
}
