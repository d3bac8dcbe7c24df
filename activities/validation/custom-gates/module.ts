/** The module of gates that a worker is given by `ESPALIER_GATES`: one file, read once, of which the digest stands in the evidence. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { z } from 'zod';
import { digestBytes } from '../../../artifacts/digest.ts';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { Digest } from '../../../artifacts/reference.ts';
import { JUDGED, type Judged } from '../../../pipelines/custom-gates.ts';
import { GATE_LIMITS, runGate, type GateLimits } from './run-gate.ts';

export interface CustomGatesModule {
  /** Of the source: another one may give another verdict. */
  readonly digest: Digest;
  readonly source: string;
  /** What each of its gates judges, by name. */
  readonly gates: ReadonlyMap<string, Judged>;
}

const GatesSchema = z.array(z.strictObject({ name: z.string(), judges: z.enum(JUDGED) }));

/** The module that the environment names, tried. Throws BadConfig, and as runGate. */
export async function readCustomGates(
  env: Readonly<Record<string, string | undefined>>,
  limits: GateLimits = GATE_LIMITS,
): Promise<{ readonly customGates?: CustomGatesModule }> {
  const path = env['ESPALIER_GATES'];
  if (path === undefined || path === '') return {};
  try {
    if (!['.js', '.mjs'].includes(extname(path))) throw new Error('it is neither .js nor .mjs');
    const source = await readFile(path, 'utf8');
    const answer = await runGate({ source }, undefined, limits);
    if ('problem' in answer) throw new Error(answer.problem);
    const gates = new Map(kindsOf(answer.value));
    return { customGates: { digest: digestBytes(source), source, gates } };
  } catch (error) {
    if (error instanceof EspalierError) throw error; // of the machine, not of the module
    throw new EspalierError('BadConfig', `the gates in ${path} cannot be used: ${(error as Error).message}`, {
      where: 'ESPALIER_GATES',
      fix: "export `gates`, an object of { judges, measure } by name, from one file that imports nothing but Node's own (docs/gates.md), or unset it",
      cause: error,
    });
  }
}

function kindsOf(value: unknown): readonly (readonly [string, Judged])[] {
  const parsed = GatesSchema.safeParse(value);
  if (parsed.success) return parsed.data.map(({ name, judges }) => [name, judges]);
  const wrong = z.array(z.object({ name: z.string(), judges: z.string() })).parse(value);
  const unknown = wrong.filter(({ judges }) => !JUDGED.some((kind) => kind === judges));
  const named = unknown.map(({ name, judges }) => `'${name}' judges '${judges}'`).join(', ');
  throw new Error(`${named}, and what can be judged is ${JUDGED.join(', ')}`);
}
