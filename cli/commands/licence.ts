/** `espalier licence check`: the evaluator alone, on a card, a model's folder or a table of cases. */
import { readFileSync, statSync } from 'node:fs';
import { EspalierError } from '../../artifacts/errors.ts';
import { describeProblem } from '../../pipelines/check.ts';
import { explainIssues } from '../../pipelines/explain.ts';
import { caseLines } from '../../pipelines/licence/case-lines.ts';
import { judgeLine } from '../../pipelines/licence/cases.ts';
import type { Judgement, LicenceVerdict } from '../../pipelines/licence/decision.ts';
import { evaluate } from '../../pipelines/licence/evaluate.ts';
import { readModelFolder, readTermFiles } from '../../pipelines/licence/model-folder.ts';
import { termsOf } from '../../pipelines/licence/model-terms.ts';
import { policyPath, readPolicyFile } from '../../pipelines/licence/policy-file.ts';
import { compilePolicy, parsePolicy, type CompiledPolicy } from '../../pipelines/licence/policy.ts';
import { decodeUtf8, parseStrangersYaml } from '../../pipelines/licence/strangers-yaml.ts';
import { UseFactsSchema, type UseFacts } from '../../pipelines/licence/use.ts';
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

export async function check(json: boolean, path: string, options: Options): Promise<number> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new EspalierError('NotFound', `there is nothing at ${path}`, {
      fix: 'give a model card, a model’s folder, or cases.jsonl',
    });
  }
  const today = new Date().toISOString().slice(0, 10);
  const policy = findPolicy(options.policy);
  const use = options.use === undefined ? undefined : readUse(options.use);
  if (path.endsWith('.jsonl') && found.isFile()) return checkCases(json, path, { policy, use, today });
  if (use === undefined) {
    throw new EspalierError('BadConfig', 'for which use?', {
      fix: 'give --use use.yaml: commercial, domain, publish, hosted, …',
    });
  }
  const { sizeBytes, ...files } = found.isDirectory()
    ? readModelFolder(path)
    : { ...readTermFiles([{ name: 'README.md', path }]), sizeBytes: null };
  const judgement = evaluate({ terms: termsOf(files), use, sizeBytes, today }, policy);
  if (json) printJson({ ...judgement, texts: files.texts });
  else describe(path, judgement);
  return EXIT_OF[judgement.verdict];
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
