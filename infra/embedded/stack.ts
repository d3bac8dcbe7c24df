/**
 * The embedded stack: a Temporal server and an S3 gateway where the user has configured none, and whatever else runs
 * on top (workers, the model server). One stack a state folder; its data and its addresses survive restarts.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { isRunning, processIdentity, tryLock } from '../lock.mjs';
import { namesOwnStore } from '../toolchain.mjs';
import { findTool } from '../tools.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { onTermination, startProcess, stopLeftovers, type ProcessSpec, type RunningProcess } from './processes.ts';
import {
  readCredentials,
  readRecord,
  stablePort,
  stackEnvironment,
  writeRecord,
  type Credentials,
  type StackRecord,
} from './state.ts';
import { startTemporal, type SearchAttributeType, type TemporalServer } from './temporal.ts';

export interface StackOptions {
  /** Usually `.espalier` in the user's project. */
  readonly stateDir: string;
  /** Registered on an embedded Temporal server; default: what Espalier's workflows need. */
  readonly searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  readonly env?: NodeJS.ProcessEnv;
  /** Told what is going on, a line at a time. */
  readonly onNotice?: (line: string) => void;
}

export interface Stack {
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly uiUrl: string | null;
  readonly s3Endpoint: string | null;
  readonly embedded: StackRecord['embedded'];
  /** What to add to a child's environment. Holds the store's credentials. */
  readonly env: Readonly<Record<string, string>>;
  /** A port of that name that stays the same over restarts while it is free. */
  port(name: string): Promise<number>;
  /** Starts a process in the stack's environment. All of them are stopped together, before the services they use. */
  start(spec: Omit<ProcessSpec, 'logFile' | 'onStart' | 'signal'>): Promise<RunningProcess>;
  /** Stops everything: first what was started on top, then Temporal, the store last. Safe to call twice. */
  stop(): Promise<void>;
}

/** Starts the stack and waits until its services answer. Throws Conflict when one runs on this folder, MissingTool before set-up. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const stateDir = resolve(options.stateDir);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const taken = tryLock(join(stateDir, 'stack.lock'));
  if (!('lock' in taken)) {
    const pid = taken.holder?.pid;
    throw new EspalierError('Conflict', `a stack is already running on ${stateDir}${pid ? ` (process ${pid})` : ''}`, {
      where: stateDir,
      fix: `other commands with this state folder use it as it is; to stop it, press Ctrl-C where it runs${pid ? ` or \`kill ${pid}\`` : ''}`,
    });
  }
  const stack = new EmbeddedStack(stateDir, options, () => taken.lock.release());
  try {
    await stack.begin();
  } catch (error) {
    await stack.stop();
    throw error;
  }
  onTermination(() => stack.stop());
  return stack;
}

class EmbeddedStack implements Stack {
  private readonly env_: NodeJS.ProcessEnv;
  private readonly credentials: Credentials;
  private readonly processes: Promise<RunningProcess>[] = [];
  private readonly closing = new AbortController();
  private record: StackRecord;
  private temporal: TemporalServer | undefined;
  private gateway: Gateway | undefined;
  private stopping: Promise<void> | undefined;
  private readonly stateDir: string;
  private readonly options: StackOptions;
  private readonly releaseLock: () => void;

  constructor(stateDir: string, options: StackOptions, releaseLock: () => void) {
    this.stateDir = stateDir;
    this.options = options;
    this.releaseLock = releaseLock;
    this.env_ = options.env ?? process.env;
    this.credentials = readCredentials(stateDir);
    this.record = {
      version: 1,
      temporalAddress: '',
      temporalNamespace: 'default',
      uiUrl: null,
      s3Endpoint: null,
      ports: {},
      children: [],
      ...readRecord(stateDir),
      owner: null,
      embedded: { temporal: false, store: !namesOwnStore(this.env_) },
    };
  }

  get temporalAddress(): string {
    return this.record.temporalAddress;
  }
  get temporalNamespace(): string {
    return this.record.temporalNamespace;
  }
  get uiUrl(): string | null {
    return this.record.uiUrl;
  }
  get s3Endpoint(): string | null {
    return this.record.s3Endpoint;
  }
  get embedded(): StackRecord['embedded'] {
    return this.record.embedded;
  }
  get env(): Record<string, string> {
    return stackEnvironment(this.record, this.credentials);
  }

  async begin(): Promise<void> {
    const left = await stopLeftovers(this.record.children);
    if (left.length > 0) this.options.onNotice?.(`stopped what a killed stack had left running: ${left.join(', ')}`);
    this.update({ children: [] });
    // Both at once: neither needs the other. Both outcomes are awaited, so that nothing starts after a failed start.
    const outcomes = await Promise.allSettled([this.beginStore(), this.beginTemporal()]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    this.update({ owner: { pid: process.pid, identity: processIdentity(process.pid) ?? '' } });
  }

  async port(name: string): Promise<number> {
    const others = Object.entries(this.record.ports).filter(([other]) => other !== name);
    const port = await stablePort(this.record.ports[name], new Set(others.map(([, value]) => value)));
    this.update({ ports: { ...this.record.ports, [name]: port } });
    return port;
  }

  start(spec: Omit<ProcessSpec, 'logFile' | 'onStart' | 'signal'>): Promise<RunningProcess> {
    const starting = startProcess({
      ...spec,
      env: { ...this.env_, ...this.env, ...spec.env },
      logFile: join(this.stateDir, 'logs', `${spec.name}.log`),
      onStart: (child) => this.remember(child),
      signal: this.closing.signal,
    });
    this.processes.push(starting);
    return starting;
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    this.closing.abort();
    const started = await Promise.allSettled(this.processes);
    await Promise.all(started.flatMap((one) => (one.status === 'fulfilled' ? [one.value.stop()] : [])));
    await this.temporal?.stop();
    await this.gateway?.stop();
    this.update({ owner: null, children: this.record.children.filter(isRunning) });
    this.releaseLock();
  }

  private async beginTemporal(): Promise<void> {
    const own = await configuredTemporal(this.env_);
    if (own !== undefined) {
      this.update({ ...own, uiUrl: null, embedded: { ...this.record.embedded, temporal: false } });
      return;
    }
    const binary = findTool('temporal', this.env_);
    const port = await this.port('temporal');
    const uiPort = await this.port('temporal-ui');
    this.temporal = await startTemporal({
      binary,
      port,
      uiPort,
      dataFile: join(this.stateDir, 'temporal.db'),
      logFile: join(this.stateDir, 'logs', 'temporal.log'),
      ...(this.options.searchAttributes === undefined ? {} : { searchAttributes: this.options.searchAttributes }),
      onStart: (child) => this.remember(child),
      signal: this.closing.signal,
    });
    this.update({
      temporalAddress: this.temporal.address,
      temporalNamespace: 'default',
      uiUrl: this.temporal.uiUrl,
      embedded: { ...this.record.embedded, temporal: true },
    });
  }

  private async beginStore(): Promise<void> {
    if (!this.record.embedded.store) {
      this.update({ s3Endpoint: this.env_['AWS_ENDPOINT_URL_S3'] || this.env_['AWS_ENDPOINT_URL'] || null });
      return;
    }
    const binary = findTool('versitygw', this.env_);
    const port = await this.port('s3');
    await this.serveStore(binary, port);
  }

  private async serveStore(binary: string, port: number): Promise<void> {
    const gateway = await startGateway({ binary, port, dataDir: join(this.stateDir, 's3'), ...this.credentials });
    this.gateway = gateway;
    this.remember({ name: 's3', pid: gateway.pid, identity: processIdentity(gateway.pid) ?? '' });
    this.update({ s3Endpoint: gateway.endpoint });
    void gateway.ended.then(() => this.reviveStore(binary, port));
  }

  /** A gateway that died comes back at its address: clients only see retries. */
  private async reviveStore(binary: string, port: number): Promise<void> {
    for (let waitMs = 500; this.stopping === undefined; waitMs = Math.min(waitMs * 2, 30_000)) {
      this.options.onNotice?.('the S3 gateway ended; starting it again');
      await sleep(waitMs);
      if (this.stopping !== undefined) return;
      try {
        await this.serveStore(binary, port);
        if (this.stopping !== undefined) await this.gateway?.stop();
        return;
      } catch (error) {
        this.options.onNotice?.(
          `the S3 gateway did not start: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }

  private remember(child: StackRecord['children'][number]): void {
    this.update({ children: [...this.record.children.filter(({ name }) => name !== child.name), child] });
  }

  private update(change: Partial<StackRecord>): void {
    this.record = { ...this.record, ...change };
    writeRecord(this.stateDir, this.record);
  }
}

/** The user's own Temporal server, from TEMPORAL_* or temporal.toml; undefined when nothing names one. */
export async function configuredTemporal(
  env: NodeJS.ProcessEnv,
): Promise<Pick<StackRecord, 'temporalAddress' | 'temporalNamespace'> | undefined> {
  const { loadClientConnectConfig } = await import('@temporalio/envconfig');
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
  const address = connectionOptions.address;
  return address === undefined ? undefined : { temporalAddress: address, temporalNamespace: namespace ?? 'default' };
}
