/**
 * Checks which room may import from which (docs/architecture.md, "The house plan"): dependencies point one way.
 * Reads import statements line by line, in the shape the formatter gives them; no parser is needed for that.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Rule
 * @property {readonly string[]} values rooms (or single files) whose values may be imported
 * @property {readonly string[]} [types] rooms of which only types may be imported
 * @property {readonly string[]} [packages] the only packages whose values may be imported; default: all
 */

/** @type {Readonly<Record<string, Rule>>} */
export const RULES = {
  artifacts: { values: [] },
  pipelines: { values: ['artifacts'] },
  inference: { values: ['artifacts'] },
  activities: { values: ['artifacts', 'pipelines', 'inference'] },
  serving: { values: ['artifacts', 'inference'] },
  workflows: {
    // The files of errors and references import nothing themselves; those of changed settings and durations bring the
    // schema (zod), since a run checks a change by the very schema before it counts. Anything else would pull its
    // dependencies into the sandbox.
    values: [
      'artifacts/errors.ts',
      'artifacts/reference.ts',
      'artifacts/seats.ts',
      'artifacts/votes.ts',
      'pipelines/answer-time.ts',
      'pipelines/attack.ts',
      'pipelines/budget.ts',
      'pipelines/change.ts',
      'pipelines/duration.ts',
      'pipelines/inference-cost.ts',
      'pipelines/limits.ts',
      'pipelines/recipe.ts',
      'pipelines/search.ts',
      'pipelines/seeds-by-rows.ts',
    ],
    types: ['activities', 'artifacts', 'pipelines'],
    packages: ['@temporalio/workflow', '@temporalio/common'],
  },
  infra: { values: ['artifacts'] },
  // The file of messages holds the names that both sides of the wire use, and nothing that runs. A notifier is tried, and
  // a model's terms are read at its source, by the very code that a worker uses.
  client: {
    values: [
      'artifacts',
      'pipelines',
      'workflows/messages.ts',
      'workflows/plan.ts',
      'activities/notification/deliver.ts',
      'activities/notification/notifiers.ts',
      'activities/selection/named-terms.ts',
    ],
    types: ['workflows', 'activities'],
  },
  // `espalier console` is the one way to start it. A plan knows the steps' versions by the steps themselves.
  cli: {
    values: [
      'client',
      'infra',
      'pipelines',
      'artifacts',
      'console/server.ts',
      'activities/report/prices.ts',
      'activities/index.ts',
    ],
    types: ['workflows', 'activities'],
  },
  console: { values: ['client', 'pipelines', 'artifacts'], types: ['workflows', 'activities'] },
  workers: {
    values: ['artifacts', 'pipelines', 'inference', 'activities', 'serving', 'workflows', 'infra', 'client'],
  },
};

/** @typedef {{ file: string, line: number, message: string }} Violation */
/** @typedef {{ line: number, specifier: string, typeOnly: boolean }} Import */

/**
 * @param {string} root
 * @returns {Violation[]}
 */
export function findViolations(root) {
  return Object.keys(RULES).flatMap((room) =>
    sourceFiles(join(root, room)).flatMap((path) => {
      const file = relative(root, path).split(sep).join('/');
      return importsOf(readFileSync(path, 'utf8')).flatMap(({ line, specifier, typeOnly }) => {
        const message = judge(file, room, specifier, typeOnly);
        return message === undefined ? [] : [{ file, line, message }];
      });
    }),
  );
}

/**
 * @param {string} source
 * @returns {Import[]} every static, dynamic and re-exporting import
 */
export function importsOf(source) {
  /** @type {Import[]} */
  const found = [];
  const at = (/** @type {number} */ index) => source.slice(0, index).split('\n').length;
  const statement =
    /^(?:import|export)\b(\s+type\b(?!\s*,|\s+from\b))?([^'"`;=()]*?)(?:\bfrom\s*)?(['"])([^'"\n]+)\3/gm;
  for (const match of source.matchAll(statement)) {
    const [text, type, clause = '', , specifier = ''] = match;
    const isImport = text.startsWith('import') || /\bfrom\s*['"]/.test(text);
    if (!isImport) continue;
    found.push({ line: at(match.index), specifier, typeOnly: type !== undefined || onlyTypesNamed(clause) });
  }
  for (const match of source.matchAll(/^(?!\s*(?:\*|\/\/|\/\*)).*?\bimport\(\s*(['"`])([^'"`\n]+)\1/gm)) {
    found.push({
      line: at(match.index),
      specifier: match[2] ?? '',
      typeOnly: /\btypeof\s+import\(/.test(match[0]),
    });
  }
  return found.sort((a, b) => a.line - b.line);
}

/** `{ type A, type B }`: every name is a type. @param {string} clause */
function onlyTypesNamed(clause) {
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause.replace(/\bfrom\s*$/, ''))?.[1];
  if (names === undefined) return false;
  const parts = names.split(',').map((name) => name.trim());
  return parts.some((name) => name !== '') && parts.every((name) => name === '' || name.startsWith('type '));
}

/**
 * @param {string} file the importing file, relative to the root
 * @param {string} room
 * @param {string} specifier
 * @param {boolean} typeOnly
 * @returns {string | undefined} what is wrong
 */
function judge(file, room, specifier, typeOnly) {
  const rule = RULES[room];
  if (rule === undefined) return undefined;
  if (!specifier.startsWith('.')) {
    if (typeOnly || rule.packages === undefined) return undefined;
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    if (rule.packages.includes(name)) return undefined;
    const kind =
      specifier.startsWith('node:') || builtinModules.includes(specifier) ? 'the Node module' : 'the package';
    return `${room} may import values only from ${rule.packages.join(', ')}, not from ${kind} '${specifier}'`;
  }
  const target = join(dirname(file), specifier).split(sep).join('/');
  const targetRoom = target.split('/')[0] ?? '';
  if (targetRoom === room) return undefined;
  if (rule.values.some((allowed) => target === allowed || targetRoom === allowed)) return undefined;
  if (rule.types?.includes(targetRoom)) {
    return typeOnly
      ? undefined
      : `${room} may import only types from ${targetRoom}: write \`import type\` ('${specifier}')`;
  }
  const allowed = [...rule.values, ...(rule.types ?? []).map((name) => `${name} (types)`)];
  return `${room} may not import from ${targetRoom} ('${specifier}'); it may import from ${allowed.join(', ') || 'no other room'}`;
}

/** @param {string} folder @returns {string[]} */
function sourceFiles(folder) {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:m|c)?[tj]sx?$/.test(name))
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile())
      .sort();
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return [];
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
  const violations = findViolations(root);
  for (const { file, line, message } of violations) process.stdout.write(`${file}:${line}: ${message}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
