/** `espalier licence check`: the evaluator alone, on a card, a model's folder, a model by its name, or a table of cases. */
import { readFileSync, statSync } from 'node:fs';
import { EspalierError } from '../../artifacts/errors.ts';
import { isSource, termsAtSource, termsOfRelease, type KnownTerms } from '../../client/model-terms.ts';
import { trainerPython } from '../../infra/tools.ts';
import { describeProblem, explainIssues } from '../../pipelines/explain.ts';
import { pipelineShape } from '../../pipelines/definition.ts';
import { caseLines } from '../../pipelines/licence/case-lines.ts';
import { judgeLine } from '../../pipelines/licence/cases.ts';
import type { Judgement, LicenceText, LicenceVerdict } from '../../pipelines/licence/decision.ts';
import { evaluate } from '../../pipelines/licence/evaluate.ts';
import { readModelFolder, readTermFiles } from '../../pipelines/licence/model-folder.ts';
import { termsOf } from '../../pipelines/licence/model-terms.ts';
import { policyPath, readPolicyFile } from '../../pipelines/licence/policy-file.ts';
import { compilePolicy, parsePolicy, type CompiledPolicy } from '../../pipelines/licence/policy.ts';
import { decodeUtf8, parseStrangersYaml } from '../../pipelines/licence/strangers-yaml.ts';
import { UseFactsSchema, type UseFacts } from '../../pipelines/licence/use.ts';
import { createContext } from '../context.ts';
import { EXIT, printJson, say, style } from '../output.ts';

interface Options {
  readonly use?: string;
  readonly policy?: string;
}

/** A use has some twenty fields. */
const MAX_USE_BYTES = 64 * 1024;

const EXIT_OF: Readonly<Record<LicenceVerdict, number>> = {
  allow: EXIT.ok,
  review: EXIT.waitingForApproval,
  deny: EXIT.failed,
};

export async function check(json: boolean, name: string, options: Options): Promise<number> {
  const today = new Date().toISOString().slice(0, 10);
  const found = isSource(name) ? undefined : statSync(name, { throwIfNoEntry: false });
  const policy = findPolicy(options.policy);
  const use = options.use === undefined ? undefined : readUse(options.use);
  if (name.endsWith('.jsonl') && found?.isFile() === true) return checkCases(json, name, { policy, use, today });
  const known = found === undefined ? await byName(name) : readHere(name, found.isDirectory());
  const asked = use ?? known.use;
  if (asked === undefined) {
    throw new EspalierError('BadConfig', 'for which use?', {
      fix: 'give --use use.yaml: commercial, domain, publish, hosted, …',
    });
  }
  const { terms, identity, sizeBytes, source, texts } = known;
  const judgement = evaluate({ terms, use: asked, sizeBytes, today, ...(identity && { identity }) }, policy);
  if (json) printJson({ ...judgement, source, ...(texts && { texts }) });
  else describe(source, judgement);
  return EXIT_OF[judgement.verdict];
}

interface Found extends Omit<KnownTerms, 'identity'> {
  readonly identity?: KnownTerms['identity'];
  readonly texts?: readonly LicenceText[];
}

/** A card, or a model's folder. */
function readHere(path: string, isFolder: boolean): Found {
  const { sizeBytes, ...files } = isFolder
    ? readModelFolder(path)
    : { ...readTermFiles([{ name: 'README.md', path }]), sizeBytes: null };
  return { source: path, terms: termsOf(files), sizeBytes, texts: files.texts };
}

/** A source, or what is deployed. A name that cannot be a model's is a path that is not there. */
async function byName(name: string): Promise<Found> {
  const context = createContext();
  try {
    if (isSource(name)) return await termsAtSource(name, { python: trainerPython(context.env), env: context.env });
    if (!isDigestText(name) && !pipelineShape.deploy.shape.model.safeParse(name).success) throw nothingAt(name);
    return await termsOfRelease(await context.store(), name);
  } catch (error) {
    if (!(error instanceof EspalierError) || isSource(name) || error.kind === 'BadConfig') throw error;
    if (error.kind === 'NotFound' && error.where !== undefined) throw error;
    throw nothingAt(name, error.kind === 'NotFound' ? undefined : error);
  } finally {
    await context.close();
  }
}

const isDigestText = (name: string): boolean => /^(sha256:)?[0-9a-f]{8,64}$/.test(name);

function nothingAt(name: string, offline?: EspalierError): EspalierError {
  const registry = offline === undefined ? '' : `; whether a model is called so is not known: ${offline.message}`;
  return new EspalierError('NotFound', `there is nothing at ${name}, and no such model is deployed${registry}`, {
    fix: 'give a card, a model’s folder, cases.jsonl, hf:ORG/NAME@REVISION, pypi:NAME==VERSION#FOLDER, s3://BUCKET/PREFIX, or what `espalier models list` shows',
  });
}

/** One verdict a line, in the order of the cases; lines that are none are named, and the others still judged. */
async function checkCases(
  json: boolean,
  path: string,
  options: { readonly policy: CompiledPolicy | undefined; readonly use: UseFacts | undefined; readonly today: string },
): Promise<number> {
  const counts: Record<LicenceVerdict | 'faults', number> = { allow: 0, review: 0, deny: 0, faults: 0 };
  let line = 0;
  for await (const text of caseLines(path)) {
    line += 1;
    if (text.trim() === '') continue;
    const judged = judgeLine(text, line, options);
    if ('verdict' in judged) {
      counts[judged.verdict] += 1;
      if (json) process.stdout.write(`${JSON.stringify(judged)}\n`);
      else describe(String(judged.id), judged);
      continue;
    }
    counts.faults += 1;
    const { field, message, id } = judged;
    say(`${style.red('error')} ${path}:${line}: ${field === '' ? '' : `${field}: `}${message}`);
    if (json) process.stdout.write(`${JSON.stringify({ id, line, error: { field, message } })}\n`);
  }
  say(
    style.dim(`${counts.allow} allow, ${counts.review} review, ${counts.deny} deny, ${counts.faults} not understood`),
  );
  return counts.faults > 0 ? EXIT.usage : EXIT.ok;
}

function findPolicy(named: string | undefined): CompiledPolicy | undefined {
  const path = policyPath(named, process.cwd());
  return path === undefined ? undefined : compilePolicy(parsePolicy(readPolicyFile(path), path));
}

function readUse(path: string): UseFacts {
  const where = { where: path, fix: 'docs/licences.md lists the fields' };
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) throw new EspalierError('NotFound', `there is no intended use at ${path}`, where);
  const text = found.size > MAX_USE_BYTES ? undefined : decodeUtf8(readFileSync(path));
  if (text === undefined) {
    throw new EspalierError('BadConfig', `the intended use is not UTF-8 text of at most ${MAX_USE_BYTES} bytes`, where);
  }
  let value: unknown;
  try {
    value = parseStrangersYaml(text);
  } catch (error) {
    throw new EspalierError('BadConfig', `the intended use ${(error as Error).message}`, where);
  }
  const parsed = UseFactsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new EspalierError(
    'BadConfig',
    explainIssues(UseFactsSchema, parsed.error.issues, value).map(describeProblem).join('; '),
    where,
  );
}

function describe(name: string, { verdict, reasons, obligations, howToFix }: Judgement): void {
  const paint = { allow: style.green, review: style.yellow, deny: style.red }[verdict];
  const lines = [
    `${paint(verdict.padEnd(6))} ${name}`,
    ...reasons.map(({ text, clause, source }) => `  ${text} (${clause}; ${source})`),
    ...obligations.map(
      ({ text, clause, by }) =>
        `  duty: ${text} (${clause}; ${by === 'espalier' ? 'done by Espalier' : 'for a person'})`,
    ),
    ...howToFix.map((fix) => `  → ${fix}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
