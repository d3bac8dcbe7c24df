/**
 * What a stack leaves in its state folder: `stack.json` (ports, addresses, who runs it, its children) and
 * `credentials.json` (made once, readable by its owner only). Its signing keys: signing.ts.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isRunning } from '../lock.mjs';
import type { ProcessRecord } from './processes.ts';

export interface StackRecord {
  readonly version: 1;
  /** Who runs the stack, once everything was ready; null after an orderly stop. */
  readonly owner: { readonly pid: number; readonly identity: string } | null;
  /** Remembered over restarts, so that addresses stay the same. */
  readonly ports: Readonly<Record<string, number>>;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** Of the embedded server; null where Temporal is the user's own. */
  readonly uiUrl: string | null;
  /** null: the AWS SDK's own choice. */
  readonly s3Endpoint: string | null;
  readonly embedded: { readonly temporal: boolean; readonly store: boolean };
  readonly children: readonly ProcessRecord[];
}

export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A running stack as other processes find it. */
export interface RunningStack extends StackRecord {
  readonly pid: number;
  /** What a process needs in its environment to use it. Holds the store's credentials. */
  readonly env: Readonly<Record<string, string>>;
}

/** The stack that runs on this state folder, whoever started it; undefined when none does. */
export function readRunningStack(stateDir: string): RunningStack | undefined {
  const record = readRecord(stateDir);
  if (record?.owner == null || !isRunning(record.owner)) return undefined;
  return { ...record, pid: record.owner.pid, env: stackEnvironment(record, readCredentials(stateDir)) };
}

/** The variables that lead a process to the stack's embedded services; the user's own are inherited as they are. */
export function stackEnvironment(
  stack: Pick<StackRecord, 'temporalAddress' | 'temporalNamespace' | 's3Endpoint' | 'embedded'>,
  { accessKey, secretKey }: Credentials,
): Record<string, string> {
  return {
    ...(stack.embedded.temporal
      ? { TEMPORAL_ADDRESS: stack.temporalAddress, TEMPORAL_NAMESPACE: stack.temporalNamespace }
      : {}),
    ...(stack.embedded.store && stack.s3Endpoint !== null
      ? {
          AWS_ENDPOINT_URL_S3: stack.s3Endpoint,
          AWS_ACCESS_KEY_ID: accessKey,
          AWS_SECRET_ACCESS_KEY: secretKey,
          AWS_REGION: 'us-east-1',
          AWS_EC2_METADATA_DISABLED: 'true',
          // A profile or session of the user's would win over the keys above; empty counts as unset.
          AWS_PROFILE: '',
          AWS_SESSION_TOKEN: '',
        }
      : {}),
  };
}

export function readRecord(stateDir: string): StackRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(stateDir, 'stack.json'), 'utf8')) as StackRecord;
    return record.version === 1 ? record : undefined;
  } catch {
    return undefined; // none yet, or not one of ours: a new one is written
  }
}

export function writeRecord(stateDir: string, record: StackRecord): void {
  writeAtomically(join(stateDir, 'stack.json'), `${JSON.stringify(record, null, 2)}\n`);
}

/** The embedded store's keys: made at the first start. */
export function readCredentials(stateDir: string): Credentials {
  const path = join(stateDir, 'credentials.json');
  if (existsSync(path)) {
    chmodSync(path, 0o600);
    return JSON.parse(readFileSync(path, 'utf8')) as Credentials;
  }
  mkdirSync(stateDir, { recursive: true });
  const credentials = {
    accessKey: `espalier${randomBytes(6).toString('hex')}`,
    secretKey: randomBytes(30).toString('base64url'),
  };
  writeAtomically(path, `${JSON.stringify(credentials)}\n`);
  return credentials;
}

/**
 * The preferred port if it is free, else another. Chosen below the range that the system gives to outgoing connections,
 * so that none of those sits on a remembered port at the next start.
 */
export async function stablePort(preferred: number | undefined, taken: ReadonlySet<number>): Promise<number> {
  let port = preferred ?? randomPort();
  while (taken.has(port) || !(await isFree(port))) port = randomPort();
  return port;
}

function randomPort(): number {
  return 20_000 + Math.floor(Math.random() * 12_000);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Readable by its owner only; whoever reads sees the old text or the new one. */
export function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}
