/** Where an organisation's licence policy lies, and the file as text: bounded, UTF-8, not yet trusted. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { decodeUtf8 } from './strangers-yaml.ts';

const POLICY_VARIABLE = 'ESPALIER_LICENCE_POLICY';
const MAX_POLICY_BYTES = 1024 * 1024;

/** The definition's own (relative to its folder) wins over the environment's; undefined: there is none. */
export function policyPath(
  named: string | undefined,
  folder: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  if (named !== undefined) return resolve(folder, named);
  return environment[POLICY_VARIABLE] || undefined;
}

/** @throws EspalierError NotFound when there is no such file, BadConfig when it cannot be a policy */
export function readPolicyFile(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  const fix = `correct review.policy or ${POLICY_VARIABLE}`;
  if (found?.isFile() !== true)
    throw new EspalierError('NotFound', `there is no licence policy at ${path}`, { where: path, fix });
  if (found.size > MAX_POLICY_BYTES) {
    throw new EspalierError('BadConfig', `the licence policy has more than ${MAX_POLICY_BYTES} bytes`, {
      where: path,
      fix,
    });
  }
  const text = decodeUtf8(readFileSync(path));
  if (text === undefined)
    throw new EspalierError('BadConfig', 'the licence policy is not UTF-8 text', { where: path, fix });
  return text;
}
