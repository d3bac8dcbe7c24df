/**
 * Gates of an organisation's own: a module that the worker is given (`ESPALIER_GATES`) exports `gates`, a function by name. It
 * gets what was measured and predicted, and gives a number; threshold and severity stand in the definition, and the verdict is
 * made by the rule that judges every gate. Its code runs with the worker's rights, as a definition's does with the client's.
 */
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { sha256Hex } from '../data/normalise.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { CustomGatesSpec } from '../../pipelines/definition/gates.ts';
import type { Score } from '../contract/measures.ts';
import type { GateResult } from '../contract/validation.ts';
import { judgeGate } from './gates.ts';

/** `evaluation.json`: measures, evidence, and what was expected and predicted of the test rows that are kept. A copy of its own each. */
export type CustomEvidence = Readonly<Record<string, unknown>>;
type Measure = (evidence: CustomEvidence) => unknown;

export interface CustomGates {
  /** Of the module's file: another file may give another verdict. */
  readonly digest: string;
  readonly measures: ReadonlyMap<string, Measure>;
}

/** Longer than this and a function waits for something, which a measure must not. */
const MOST_MS = 60_000;

const number = z.number().refine(Number.isFinite);
const ScoreSchema = z.strictObject({
  value: number.nullable(),
  interval: z.strictObject({ low: number, high: number, confidence: number.min(0).max(1).default(0.95) }).nullish(),
  rows: z.int().min(0).default(0),
});
const ModuleSchema = z.looseObject({
  gates: z.record(
    z.string(),
    z.custom<Measure>((value) => typeof value === 'function', 'must be a function'),
  ),
});

/** The module that `ESPALIER_GATES` names, a .js or .mjs file. Throws BadConfig. */
export async function readCustomGates(
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly customGates?: CustomGates }> {
  const path = env['ESPALIER_GATES'];
  if (path === undefined || path === '') return {};
  try {
    if (!['.js', '.mjs'].includes(extname(path))) throw new Error('it is neither .js nor .mjs');
    const digest = sha256Hex(await readFile(path, 'utf8'));
    const { gates } = ModuleSchema.parse(await import(pathToFileURL(resolve(path)).href));
    return { customGates: { digest, measures: new Map(Object.entries(gates)) } };
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new EspalierError('BadConfig', `the gates in ${path} cannot be used: ${why}`, {
      where: 'ESPALIER_GATES',
      fix: 'export `gates`, an object of functions (docs/gates.md), or unset it',
      cause: error,
    });
  }
}

/**
 * One result a gate that the definition names, in its order. A function that throws, takes too long or gives something else than
 * a score has measured nothing, and its gate fails. Throws BadConfig where the worker has no such function.
 */
export async function judgeCustomGates(
  known: CustomGates | undefined,
  spec: CustomGatesSpec,
  evidence: CustomEvidence,
): Promise<GateResult<string>[]> {
  const results: GateResult<string>[] = [];
  for (const [name, limit] of Object.entries(spec)) {
    const measure = known?.measures.get(name);
    if (measure === undefined) {
      throw new EspalierError('BadConfig', `this worker has no gate '${name}'`, {
        where: `customGates.${name}`,
        fix: 'start the workers with ESPALIER_GATES naming the module that exports it',
      });
    }
    const { score, problem } = await scoreOf(measure, evidence);
    const direction = 'min' in limit ? 'min' : 'max';
    const judged = score.interval === null ? 'value' : 'interval';
    const gate = { direction, judged, unit: 'number', meaning: name } as const;
    const result = judgeGate(name, gate, score, limit, 'customGates');
    results.push(problem === undefined ? result : { ...result, reason: `${result.reason}: ${problem}` });
  }
  return results;
}

async function scoreOf(
  measure: Measure,
  evidence: CustomEvidence,
): Promise<{ readonly score: Score; readonly problem?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${MOST_MS / 1000} s`)), MOST_MS);
  });
  try {
    const given = await Promise.race([Promise.resolve(structuredClone(evidence)).then(measure), late]);
    const { value, interval, rows } = ScoreSchema.parse(given);
    return { score: { value, interval: interval ?? null, rows } };
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    return { score: { value: null, interval: null, rows: 0 }, problem: problem.slice(0, 300) };
  } finally {
    clearTimeout(timer);
  }
}
