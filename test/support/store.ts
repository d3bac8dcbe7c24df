/** One real gateway for all tests of a process, started at first use; every caller gets a bucket of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type OpenStore } from '../../artifacts/open.ts';
import { findGatewayBinary, startGateway, type Gateway } from '../../infra/embedded/gateway.ts';
import { TEST_KEY_ENV } from './signing.ts';

export interface TestStore extends OpenStore {
  readonly endpoint: string;
  /** For `openStore` and child processes: the endpoint, the keys (also to sign with), the bucket, and a cache folder of its own. */
  readonly env: NodeJS.ProcessEnv;
}

export const TEST_KEYS = { accessKey: 'test', secretKey: 'test-secret' } as const;

let running: Promise<Gateway> | undefined;
let folder: string | undefined;

/** A folder that is removed when the process ends. */
export function testFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'espalier-test-store-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

/** Set-up builds the gateway: without it the tests cannot run. */
export async function gatewayBinary(): Promise<string> {
  return (await findGatewayBinary()) ?? 'versitygw';
}

/** The gateway that every test of this process shares. Killed when the process ends. */
export async function sharedGateway(): Promise<Gateway> {
  // The exit handler of startGateway is registered after the folder's: it runs later, but SIGKILL needs no folder.
  running ??= gatewayBinary().then((binary) =>
    startGateway({ binary, dataDir: join(testFolder(), 'data'), ...TEST_KEYS }),
  );
  return running;
}

/** `const { store, pointers } = await withStore()`: empty, over a real S3 endpoint, private to the caller. */
export async function withStore(overrides: NodeJS.ProcessEnv = {}): Promise<TestStore> {
  const { endpoint } = await sharedGateway();
  const bucket = `test-${randomUUID()}`;
  const env = { ...storeEnv(endpoint, bucket), ...overrides };
  return { ...(await openStore(env)), endpoint, env };
}

export function storeEnv(endpoint: string, bucket: string): NodeJS.ProcessEnv {
  return {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: TEST_KEYS.accessKey,
    AWS_SECRET_ACCESS_KEY: TEST_KEYS.secretKey,
    ESPALIER_BUCKET: bucket,
    XDG_CACHE_HOME: join(testFolder(), 'cache', bucket),
    ...TEST_KEY_ENV,
  };
}
