/** Settings changed while a run is under way: what may change, and the changed definition. No I/O: the run itself checks with it. */
import { GRADIENT_GATES, gradientsAsked, SQUARE_GATES, squaresAsked } from './attack.ts';
import type { Problem } from './check.ts';
import { schemaOf, type Pipeline } from './definition.ts';
import { explainIssues } from './explain.ts';
import { gateProblems } from './gate-rules.ts';

/** New values by dotted path of the definition, e.g. `training.learningRate`: 1e-4. */
export type Settings = Readonly<Record<string, unknown>>;

/** How a run trains, chooses and judges may change; never what it is, reads, decides by or deploys. */
const CHANGEABLE = ['training', 'gates', 'selection'] as const;
export type ChangeableSection = (typeof CHANGEABLE)[number];

/** They decide how every candidate is measured: changed halfway, unlike would be compared with unlike. */
const MEASURING = new Set([
  'selection.maxLength',
  'selection.windows',
  'selection.windows.overlap',
  'selection.windows.most',
  'selection.hardware',
  'selection.hardware.cpu',
  'selection.hardware.cores',
  'selection.hardware.arch',
  'selection.neighbours',
  'selection.seed',
]);

/** Off, they are not measured, and no candidate was chosen that could be. */
const UNPLANNED: ReadonlyMap<string, (gates: unknown) => boolean> = new Map([
  ...GRADIENT_GATES.map((name) => [`gates.${name}.severity`, gradientsAsked] as const),
  ...SQUARE_GATES.map((name) => [`gates.${name}.severity`, squaresAsked] as const),
]);

const PATH = /^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+$/;

/** The section a path belongs to; undefined when nothing there may change. */
export function changeableSection(path: string): ChangeableSection | undefined {
  return CHANGEABLE.find((section) => PATH.test(path) && path.startsWith(`${section}.`));
}

/** What stands at a dotted path. */
export function settingAt(pipeline: Pipeline, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (isSection(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      pipeline,
    );
}

/** What holds after these changes: the latest value of each path. */
export function settingsAfter(changes: readonly { readonly path: string; readonly to: unknown }[]): Settings {
  return Object.fromEntries(changes.map(({ path, to }) => [path, to]));
}

/** The definition with these values, unchecked: checked settings give the same on every replay, whatever the schema becomes. */
export function withSettings<Definition extends Pipeline>(pipeline: Definition, settings: Settings): Definition {
  return Object.entries(settings).reduce<Record<string, unknown>>(
    (changed, [path, value]) => put(changed, path.split('.'), value),
    { ...pipeline },
  ) as Definition;
}

/** Every reason why these settings cannot be changed, by path; empty when they can. */
export function settingProblems(pipeline: Pipeline, settings: Settings): readonly Problem[] {
  const fixed = Object.entries(settings).flatMap(([path, value]): readonly Problem[] => {
    const section = changeableSection(path);
    if (section !== undefined && pipeline[section] === null) {
      return [{ path, message: `is of ${section}, which this run has none of`, fix: 'start a new run with it' }];
    }
    if (section === undefined) {
      const fix = 'training.*, gates.* and selection.* can; for anything else start a new run';
      return [{ path, message: 'cannot change while a run is under way', fix }];
    }
    if (path === 'training.search' || path.startsWith('training.search.') || path === 'selection.prototype.seeds') {
      const message = 'says which steps a run has: they are planned when it begins';
      return [{ path, message, fix: 'start a new run with it' }];
    }
    if (MEASURING.has(path)) {
      const message = 'decides how every candidate is measured: changed now, unlike would be compared with unlike';
      return [{ path, message, fix: 'start a new run with it' }];
    }
    if (path === 'training.method' && (value === 'head') !== (pipeline.training?.method === 'head')) {
      const message = `decides how candidates are measured and exported, which '${String(value)}' would need otherwise`;
      return [{ path, message, fix: 'start a new run with it' }];
    }
    if (value !== 'off' && UNPLANNED.get(path)?.(pipeline.gates) === false) {
      const message = 'asks for an attack that this run did not plan, or has left out';
      return [{ path, message, fix: 'start a new run that names the gate' }];
    }
    if (isSection(value) || isSection(settingAt(pipeline, path))) {
      return [{ path, message: 'is a group of settings', fix: `name one of them, e.g. ${path}.…` }];
    }
    return [];
  });
  if (fixed.length > 0) return fixed;
  const changed = withSettings(pipeline, settings);
  const schema = schemaOf(changed);
  const parsed = schema.safeParse(changed);
  const fromSchema = parsed.success ? [] : explainIssues(schema, parsed.error.issues, changed);
  // What a run from before a rule has already is no fault of the change.
  const had = new Set(gateProblems(pipeline.gates, pipeline.task).map(({ path, message }) => `${path} ${message}`));
  const made = gateProblems(changed.gates, changed.task).filter(({ path, message }) => !had.has(`${path} ${message}`));
  return [...fromSchema, ...made];
}

function put(
  section: Record<string, unknown>,
  [key = '', ...rest]: readonly string[],
  value: unknown,
): Record<string, unknown> {
  if (rest.length === 0) return { ...section, [key]: value };
  const inner = Object.hasOwn(section, key) ? section[key] : undefined;
  return { ...section, [key]: put(isSection(inner) ? inner : {}, rest, value) };
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
