/** Everything on one machine: the embedded stack, the two worker processes and the model server. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readLinkKey } from '../infra/embedded/link-key.ts';
import { ensureSigningKeys, keyEnvironment, type KeyEnvironment } from '../infra/embedded/signing.ts';
import { startStack, type Stack } from '../infra/embedded/stack.ts';
import { openSigner } from '../artifacts/open-signer.ts';
import { readTrustedKeys } from '../artifacts/signing-keys.ts';
import { isCompiled } from '../infra/root.ts';
import type { Approver } from '../workflows/messages.ts';
import { say, style } from './output.ts';

/** Who may approve until the user says otherwise; `npm start -- --yes` answers as them. */
export const DEMO_APPROVERS: readonly Approver[] = [
  { name: 'lena-legal', roles: ['legal'] },
  { name: 'omar-product', roles: ['product-owner'] },
];

export interface Host {
  readonly stack: Stack;
  readonly servingUrl: string;
}

/** Starts what is not running yet, in order; stopping the stack stops all of it. */
export async function startHost(stateDir: string): Promise<Host> {
  const stack = await startStack({
    stateDir,
    searchAttributes: { EspalierPipeline: 'Keyword', EspalierState: 'Keyword' },
    onNotice: (line) => say(style.dim(line)),
  });
  try {
    ensureApprovers(stateDir);
    const keys = await ensureKeys(stateDir);
    const port = await stack.port('serving');
    const servingUrl = `http://127.0.0.1:${port}`;
    const env = { ESPALIER_SERVING_URL: servingUrl, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
    // Workers before the server: a run can go on while the server is still loading models. All three at once: none needs another.
    await Promise.all([
      stack.start({
        name: 'worker-pipeline',
        ...script('../workers/pipeline'),
        env: { ...env, ...keys.signing, ...linkEnvironment(stateDir) },
        restart: true,
        graceMs: 30_000, // workers stop themselves by then
        ready: isReady,
      }),
      stack.start({
        name: 'worker-gpu',
        ...script('../workers/gpu'),
        env,
        restart: true,
        graceMs: 30_000, // workers stop themselves by then
        ready: isReady,
      }),
      stack.start({
        name: 'model-server',
        ...script('../serving/main'),
        // It verifies and never signs: it is not told of the private key.
        env: { ...env, ...keys.verifying, ESPALIER_SIGNING_KEY: '', HOST: '127.0.0.1', PORT: String(port) },
        restart: true,
        ready: () => answers(`${servingUrl}/v2/health/live`),
      }),
    ]);
    return { stack, servingUrl };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** A program of ours beside this file, compiled or from source. */
function script(path: string): { command: string; args: string[] } {
  const file = fileURLToPath(new URL(`${path}.${isCompiled ? 'js' : 'ts'}`, import.meta.url));
  return { command: process.execPath, args: isCompiled ? [file] : ['--import', 'tsx', file] };
}

function isReady(log: () => string): boolean {
  return log().includes('"message":"ready"');
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

/** The stack's own keys, or the user's, tried before anything starts. */
async function ensureKeys(stateDir: string): Promise<KeyEnvironment> {
  const made = ensureSigningKeys(stateDir, process.env);
  if (made !== undefined) say(style.dim(`made a key to sign releases with: ${made} (docs/provenance.md)`));
  const keys = keyEnvironment(stateDir, process.env);
  const env = { ...process.env, ...keys.signing };
  readTrustedKeys(env);
  await openSigner(env);
  return keys;
}

/** What signs links in messages to approvers: only a worker that has somebody to tell needs it. */
function linkEnvironment(stateDir: string): Record<string, string> {
  if (!process.env['ESPALIER_NOTIFIERS'] || process.env['ESPALIER_LINK_KEY']) return {};
  return { ESPALIER_LINK_KEY: readLinkKey(stateDir) };
}

function ensureApprovers(stateDir: string): void {
  const path = join(stateDir, 'approvers.json');
  if (!existsSync(path)) writeFileSync(path, `${JSON.stringify(DEMO_APPROVERS, null, 2)}\n`);
}
