/** What an organisation's people have written for the dossier: a YAML file, checked by a schema, known by its digest. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { explainIssues } from '../explain.ts';
import { decodeUtf8, parseStrangersYaml } from '../licence/strangers-yaml.ts';
import { DOSSIER_FIELD_IDS, DOSSIER_FIELDS, type DossierFieldId } from './fields.ts';

const VARIABLE = 'ESPALIER_DOSSIER';
const MAX_BYTES = 1024 * 1024;

const AnswerSchema = z.strictObject({
  /** Plain text; paragraphs are parted by an empty line. */
  text: z.string().trim().min(1).max(20_000),
  /** Who stands for it. */
  by: z.string().trim().min(1).max(200),
  at: z.iso.date(),
});
export const DossierAnswersSchema = z.strictObject({
  version: z.literal(1),
  /** true: nothing is packaged for release while a field is open. */
  requireComplete: z.boolean().default(false),
  answers: z.partialRecord(z.enum(DOSSIER_FIELD_IDS as readonly [DossierFieldId, ...DossierFieldId[]]), AnswerSchema),
});
export type DossierAnswers = Readonly<z.output<typeof DossierAnswersSchema>>;

/** The definition's own file (relative to its folder) wins over the environment's; undefined: there is none. */
export function dossierPath(
  named: string | undefined,
  folder: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  if (named !== undefined) return resolve(folder, named);
  return environment[VARIABLE] || undefined;
}

/** @throws EspalierError NotFound when there is no such file, BadConfig when it cannot hold answers */
export function readDossierFile(path: string): string {
  const fix = `correct review.dossier or ${VARIABLE}`;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    throw new EspalierError('NotFound', `there is no file of dossier answers at ${path}`, { where: path, fix });
  }
  const text = found.size > MAX_BYTES ? undefined : decodeUtf8(readFileSync(path));
  if (text !== undefined) return text;
  const problem = found.size > MAX_BYTES ? `it has more than ${MAX_BYTES} bytes` : 'it is not UTF-8 text';
  throw new EspalierError('BadConfig', `the dossier answers cannot be read: ${problem}`, { where: path, fix });
}

/** @throws EspalierError BadConfig with every mistake, by path */
export function parseDossierAnswers(text: string, where: string): DossierAnswers {
  const problems = (list: readonly string[]): EspalierError =>
    new EspalierError('BadConfig', `the dossier answers are not valid: ${list.join('; ')}`, {
      where,
      fix: 'the ids of the fields and the form of the file are in docs/privacy.md',
    });
  let value: unknown;
  try {
    value = parseStrangersYaml(text);
  } catch (error) {
    throw problems([(error as Error).message]);
  }
  const parsed = DossierAnswersSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const found = explainIssues(DossierAnswersSchema, parsed.error.issues, value);
  throw problems(found.slice(0, 20).map(({ path, message }) => `${path === '' ? 'the whole' : path} ${message}`));
}

/** Fields that no record can fill and nobody has answered. */
export function unanswered(answers: DossierAnswers | undefined): readonly DossierFieldId[] {
  return DOSSIER_FIELD_IDS.filter((id) => DOSSIER_FIELDS[id].from === 'person' && answers?.answers[id] === undefined);
}
