/** What a definition's check can say about licences before anything runs: from the use, the policy and local folders. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Problem } from '../check.ts';
import { parseModelSource } from '../sources.ts';
import { domainFinding, evaluate } from './evaluate.ts';
import { readModelFolder } from './model-folder.ts';
import { termsOf } from './model-terms.ts';
import { policyPath, readPolicyFile } from './policy-file.ts';
import { compilePolicy, NO_POLICY, parsePolicy, type CompiledPolicy } from './policy.ts';
import { IntendedUseSchema, type IntendedUse } from './use.ts';

interface Checked {
  readonly problems: readonly Problem[];
  readonly notes: readonly Problem[];
}

export function checkLicences(raw: Readonly<Record<string, unknown>>, folder: string | undefined): Checked {
  const problems: Problem[] = [];
  const notes: Problem[] = [];
  const parsed = IntendedUseSchema.safeParse(raw['intendedUse']);
  const policy = folder === undefined ? NO_POLICY : findPolicy(raw['review'], folder, problems);
  if (!parsed.success) return { problems, notes };
  const { data: stated } = parsed;
  const named = (raw['deploy'] as { model?: unknown } | null | undefined)?.model;
  const use = {
    ...stated,
    derivedName: stated.derivedName ?? (typeof named === 'string' && named !== '' ? named : undefined),
  };
  const domain = domainFinding(use);
  if (domain !== undefined) {
    (domain.verdict === 'deny' ? problems : notes).push({
      path: 'intendedUse.domain',
      message: domain.text,
      fix: domain.fix,
    });
  }
  problems.push(...nameProblems(use, raw['deploy']));
  if (folder !== undefined && Array.isArray(raw['candidates'])) {
    for (const [index, candidate] of (raw['candidates'] as unknown[]).entries()) {
      const found = judgeLocal(candidate, folder, use, policy);
      if (found === undefined || found.verdict === 'allow') continue;
      const { verdict, message, fix } = found;
      (verdict === 'deny' ? problems : notes).push({ path: `candidates[${index}].model`, message, fix });
    }
  }
  return { problems, notes };
}

function findPolicy(review: unknown, folder: string, problems: Problem[]): CompiledPolicy {
  const named = (review as { policy?: unknown } | null | undefined)?.policy;
  const path = policyPath(typeof named === 'string' ? named : undefined, folder);
  if (path === undefined) return NO_POLICY;
  try {
    return compilePolicy(parsePolicy(readPolicyFile(path), path));
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    problems.push({
      path: 'review.policy',
      message: error.message,
      ...(error.fix === undefined ? {} : { fix: error.fix }),
    });
    return NO_POLICY;
  }
}

/** A name that is judged but not used would be a licence's name duty on paper only. */
function nameProblems({ derivedName }: IntendedUse, deploy: unknown): readonly Problem[] {
  const model = (deploy as { model?: unknown } | null | undefined)?.model;
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  if (derivedName === undefined || typeof model !== 'string' || plain(derivedName) === plain(model)) return [];
  const message = `is '${derivedName}', but the model will be called '${model}' (deploy.model)`;
  return [{ path: 'intendedUse.derivedName', message, fix: 'write the same name, case and punctuation aside' }];
}

function judgeLocal(candidate: unknown, folder: string, use: IntendedUse, policy: CompiledPolicy) {
  const { model, layers } = (candidate ?? {}) as { model?: unknown; layers?: unknown };
  if (typeof model !== 'string') return undefined;
  try {
    const source = parseModelSource(model);
    const home = source.kind === 'local' ? resolve(folder, source.path) : undefined;
    if (home === undefined || statSync(home, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
    const { sizeBytes, ...files } = readModelFolder(home);
    // A shortened model is smaller than its files.
    const size = layers === undefined ? sizeBytes : null;
    const today = new Date().toISOString().slice(0, 10);
    // What there is to say of the domain itself is said once, at the use.
    const asked = { terms: termsOf(files), use: { ...use, validationStudy: use.validationStudy ?? 'see intendedUse' } };
    const { verdict, reasons, howToFix } = evaluate({ ...asked, sizeBytes: size, today }, policy);
    return {
      verdict,
      message: reasons.map(({ text, clause }) => `${text} (${clause})`).join('; '),
      fix: howToFix.join('; '),
    };
  } catch (error) {
    if (error instanceof EspalierError) return undefined; // the source is complained about by its own rule
    throw error;
  }
}
