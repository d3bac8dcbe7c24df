/** Looks at everything Espalier needs on this machine and says how to mend what is missing. */
import { execFile } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { definedOnly } from '../artifacts/defined-only.ts';
import { checkStore } from '../artifacts/doctor.ts';
import { DeliveryLog } from '../artifacts/delivery-log.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { openStore } from '../artifacts/open.ts';
import { openSigner } from '../artifacts/open-signer.ts';
import { readTrustedKeys } from '../artifacts/signing-keys.ts';
import { storeSettings } from '../artifacts/settings.ts';
import { isListening } from './embedded/processes.ts';
import { configuredTemporal } from './embedded/stack.ts';
import { SEARCH_ATTRIBUTES } from './embedded/temporal.ts';
import { packageRoot } from './root.ts';
import { cacheFolder, isAtLeast, locatePython, locateTrainerPython, MINIMUM } from './toolchain.mjs';
import { SETUP_HINT } from './tools.ts';

export interface Check {
  readonly name: string;
  /** `warn`: works, but something is slower or less protected than it could be. */
  readonly ok: boolean | 'warn';
  readonly detail: string;
  readonly fix?: string;
}

const PROBE_TIMEOUT_MS = 2000;
/** Longer than a message is tried (workflows/proxies.ts). */
const TRIED_FOR_MS = 6 * 3600 * 1000;
const NEEDED_GB = 2;
const COMFORTABLE_GB = 10;

/** Runs every check; none throws, each takes seconds at most. `env` names the services, as for a run. */
export async function runDoctor(env: NodeJS.ProcessEnv = process.env): Promise<Check[]> {
  const checks = await Promise.all([
    guarded('Node', () => Promise.resolve([checkNode()])),
    guarded('Python', () => Promise.resolve([checkPython(env)])),
    guarded('Temporal', () => checkTemporal(env)),
    guarded('S3', () => checkS3(env)),
    guarded('signing', async () => [await checkSigning(env)]),
    guarded('GPU', async () => [await checkGpu(env)]),
    guarded('notifications', () => checkNotifications(env)),
    guarded('disk', () =>
      Promise.resolve([checkDisk('disk (state)', '.'), checkDisk('disk (cache)', cacheFolder(env))]),
    ),
    guarded('network isolation', async () => [await checkIsolation(env)]),
    guarded('read-only inputs', async () => [await checkReadOnlyInputs(env)]),
  ]);
  return checks.flat();
}

function checkNode(): Check {
  const version = process.versions.node;
  const ok = isAtLeast(version, MINIMUM.node);
  return { name: 'Node', ok, detail: version, ...(ok ? {} : { fix: `install Node ${MINIMUM.node} or newer` }) };
}

function checkPython(env: NodeJS.ProcessEnv): Check {
  const trainer = locateTrainerPython(packageRoot, env);
  if (trainer !== undefined)
    return { name: 'Python', ok: true, detail: `trainer environment ${dirname(dirname(trainer.executable))}` };
  const python = locatePython(env);
  if ('tried' in python) {
    const detail = `no Python ${MINIMUM.python} or newer${python.tried.length > 0 ? ` (${python.tried.join(', ')})` : ''}`;
    return { name: 'Python', ok: false, detail, fix: `install one or set ESPALIER_PYTHON, then ${SETUP_HINT}` };
  }
  const detail = `${python.executable} (${python.version}), but the trainer's environment is not installed`;
  return { name: 'Python', ok: false, detail, fix: SETUP_HINT };
}

async function checkTemporal(env: NodeJS.ProcessEnv): Promise<Check[]> {
  const configured = await configuredTemporal(env);
  if (configured === undefined) {
    const fix = 'start the embedded one with `espalier dev`, or set TEMPORAL_ADDRESS';
    return [{ name: 'Temporal', ok: false, detail: 'no server is running here and none is configured', fix }];
  }
  const { temporalAddress: address, temporalNamespace: namespace } = configured;
  const { host, port } = splitAddress(address);
  if (!(await isListening(host, port, PROBE_TIMEOUT_MS))) {
    const fix = 'start it (`espalier dev` starts an embedded one), or correct TEMPORAL_ADDRESS';
    return [{ name: 'Temporal', ok: false, detail: `no server answers at ${address}`, fix }];
  }
  const [{ Connection }, { loadClientConnectConfig }] = await Promise.all([
    import('@temporalio/client'),
    import('@temporalio/envconfig'),
  ]);
  const { connectionOptions } = loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
  const connection = await Connection.connect({ ...connectionOptions, connectTimeout: '5s' });
  try {
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    await connection.workflowService.describeNamespace({ namespace });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.keys(SEARCH_ATTRIBUTES).filter((name) => !(name in (customAttributes ?? {})));
    return [
      { name: 'Temporal', ok: true, detail: `${address}, namespace ${namespace}, server ${serverVersion}` },
      missing.length === 0
        ? { name: 'search attributes', ok: true, detail: Object.keys(SEARCH_ATTRIBUTES).join(', ') }
        : {
            name: 'search attributes',
            ok: false,
            detail: `not registered in namespace ${namespace}: ${missing.join(', ')}`,
            fix: `temporal operator search-attribute create --namespace ${namespace} ${missing
              .map((name) => `--name ${name} --type ${SEARCH_ATTRIBUTES[name]}`)
              .join(' ')}`,
          },
    ];
  } finally {
    await connection.close();
  }
}

async function checkS3(env: NodeJS.ProcessEnv): Promise<Check[]> {
  const checks = await checkStore(storeSettings(env), env);
  return checks.map((check) => ({ ...check, name: `S3 ${check.name}` }));
}

/** A machine that neither deploys nor serves needs no key, and should have none. */
async function checkSigning(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'signing';
  const signs = Boolean(env['ESPALIER_SIGNING_KEY'] || env['ESPALIER_SIGNER']);
  const verifies = Boolean(env['ESPALIER_TRUSTED_KEYS']);
  if (!signs && !verifies) {
    const fix =
      'set ESPALIER_SIGNING_KEY for workers that deploy, ESPALIER_TRUSTED_KEYS for servers (docs/provenance.md)';
    return { name, ok: 'warn', detail: 'no keys are named here: nothing can be released or served', fix };
  }
  const signer = signs
    ? `releases are signed by key ${(await openSigner(env)).keyId.slice(0, 12)}`
    : 'nothing is signed';
  return { name, ok: true, detail: verifies ? `${signer}, ${readTrustedKeys(env).size} trusted` : signer };
}

/** What was not told lately: a receiver that is gone tells nobody itself. */
async function checkNotifications(env: NodeJS.ProcessEnv): Promise<Check[]> {
  const name = 'notifications';
  if (!env['ESPALIER_NOTIFIERS']) return [];
  const { pointers, close } = await openStore(env);
  try {
    const latest = await new DeliveryLog(pointers).list({ limit: 100 });
    const failed = latest.filter(({ state, at }) => state === 'failed' || (state === 'trying' && isOld(at)));
    const [last] = failed;
    if (last === undefined)
      return [{ name, ok: true, detail: `the last ${latest.length} messages are on their way or delivered` }];
    const why = last.attempts.at(-1)?.detail ?? 'not tried';
    const detail = `${failed.length} of the last ${latest.length} messages were not delivered, the last to '${last.notifier}' (${why})`;
    return [
      {
        name,
        ok: 'warn',
        detail,
        fix: `see \`espalier notifications list\`; try again: espalier notifications test ${last.notifier}`,
      },
    ];
  } finally {
    close();
  }
}

function isOld(at: string): boolean {
  return Date.now() - Date.parse(at) > TRIED_FOR_MS;
}

async function checkGpu(env: NodeJS.ProcessEnv): Promise<Check> {
  const listed = await output('nvidia-smi', ['--query-gpu=name,memory.total', '--format=csv,noheader'], env);
  if (listed !== undefined && listed !== '') return { name: 'GPU', ok: true, detail: listed.split('\n').join('; ') };
  const fix =
    'training works on the CPU, only slower; for a GPU, run `espalier` workers on a machine with an NVIDIA driver';
  return { name: 'GPU', ok: 'warn', detail: 'none found: CPU only', fix };
}

function checkDisk(name: string, folder: string): Check {
  let existing = resolve(folder);
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  const freeGb = (bavail * bsize) / 1e9;
  const ok = freeGb < NEEDED_GB ? false : freeGb < COMFORTABLE_GB ? 'warn' : true;
  const detail = `${freeGb.toFixed(1)} GB free at ${existing}`;
  const fix = `free some space: models, checkpoints and built tools take ${NEEDED_GB} to ${COMFORTABLE_GB} GB`;
  return { name, ok, detail, ...(ok === true ? {} : { fix }) };
}

/** The trainer runs in a network namespace of its own where the system lets an ordinary user make one. */
async function checkIsolation(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'network isolation';
  if ((await output('unshare', ['--net', 'true'], env)) !== undefined) {
    return { name, ok: true, detail: 'the trainer can run without any network (unshare --net)' };
  }
  if ((await output('unshare', ['--user', '--map-current-user', '--net', 'true'], env)) !== undefined) {
    return { name, ok: true, detail: 'the trainer can run without any network (unshare --user --net)' };
  }
  const detail = 'network namespaces cannot be made here: only the guard inside the trainer keeps it offline';
  const fix =
    'on Linux allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run workers in containers without a network';
  return { name, ok: 'warn', detail, fix };
}

/** The trainer mounts its inputs read-only where it gets a mount namespace (workers/trainer/espalier_trainer/sandbox.py). */
async function checkReadOnlyInputs(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'read-only inputs';
  for (const flags of [['--mount'], ['--user', '--map-root-user', '--mount']]) {
    if ((await output('unshare', [...flags, 'true'], env)) === undefined) continue;
    return { name, ok: true, detail: `the kernel holds the trainer's inputs read-only (unshare ${flags.join(' ')})` };
  }
  const detail = 'mount namespaces cannot be made here: only the guard inside the trainer keeps its inputs unchanged';
  const fix = 'on Linux allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)';
  return { name, ok: 'warn', detail, fix };
}

/** A check that breaks is a failed check. */
async function guarded(name: string, check: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await check();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const fix = error instanceof EspalierError ? error.fix : undefined;
    return [
      { name, ok: false, detail, fix: fix ?? `see the message; the settings of ${name} are in docs/operating.md` },
    ];
  }
}

/** What a command prints; undefined when it is missing or fails. */
async function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    return (await promisify(execFile)(command, args, { env, timeout: 5000 })).stdout.trim();
  } catch {
    return undefined;
  }
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return colon < 0
    ? { host: address, port: 7233 }
    : { host: address.slice(0, colon).replaceAll(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
