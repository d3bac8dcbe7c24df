/** Reaching Temporal: by the standard variables and files only (TEMPORAL_*, temporal.toml), with an error that names the address. */
import { connect as connectSocket } from 'node:net';
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type ConnectionOptions,
} from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { definedOnly } from '../artifacts/defined-only.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { credentialOf, refusedWith, type ConnectionSettings, type Reach } from './credentials.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface TemporalSettings extends Reach {
  readonly connectionOptions: ConnectionSettings;
}

export interface TemporalClient extends TemporalSettings {
  readonly client: Client;
  close(): Promise<void>;
}

/** How long a server may take to accept a connection and to answer on it before we say that it is not there: on a busy machine seconds. */
const PATIENCE_MS = 10_000;

/** @throws EspalierError BadConfig when temporal.toml or TEMPORAL_PROFILE is wrong */
export function temporalSettings(env: Environment): TemporalSettings {
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
    const address = connectionOptions.address ?? 'localhost:7233';
    return {
      address,
      namespace: namespace ?? 'default',
      credential: credentialOf(env, connectionOptions),
      connectionOptions: { ...connectionOptions, address },
    };
  } catch (error) {
    throw new EspalierError('BadConfig', `the Temporal configuration cannot be read: ${(error as Error).message}`, {
      where: 'TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE or temporal.toml',
      fix: 'correct the file or the variable; `espalier doctor` shows what is used',
      cause: error,
    });
  }
}

/** Kept beside a client, which knows neither its server's address nor where its key was read. */
const reaches = new WeakMap<Client, Reach>();

/** How a client that `connectTemporal` made reaches its server; undefined of any other. */
export function reachOf(client: Client): Reach | undefined {
  return reaches.get(client);
}

/** Connects within ten seconds or says what is missing, at once where nothing listens: the socket and the first answer share one deadline. */
export async function connectTemporal(env: Environment): Promise<TemporalClient> {
  const settings = temporalSettings(env);
  const deadline = Date.now() + PATIENCE_MS;
  await probeTemporal(settings.address);
  const { apiKey, tls, metadata, address } = settings.connectionOptions;
  const open = whileOpen();
  const connection = Connection.lazy({
    address,
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions()), open.interceptor],
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(tls === undefined ? {} : { tls }),
    ...(metadata === undefined ? {} : { metadata }),
    // Longer than is waited for: which of two timers comes first would be chance.
    connectTimeout: PATIENCE_MS + 1000,
  });
  const close = (): Promise<void> => {
    open.end();
    return connection.close();
  };
  try {
    // The gRPC client retries past its own deadline when a server accepts and says nothing.
    await before(deadline, connection.ensureConnected());
  } catch (error) {
    await close();
    throw refusedWith(error, settings) ?? unavailable(settings.address, (error as Error).message);
  }
  const client = new Client({ connection, namespace: settings.namespace });
  reaches.set(client, settings);
  return { ...settings, client, close };
}

type Interceptor = NonNullable<ConnectionOptions['interceptors']>[number];
type Call = ReturnType<Interceptor>;
/** gRPC's CANCELLED: nothing tries it again. */
const CANCELLED = 1;

/**
 * The client of Temporal tries a failed call again by a timer that closing the connection does not clear; on a closed channel
 * that throws in the timer, where nobody can catch it, and the process ends. After `end` a call is told that it was cancelled,
 * with the empty message before it that gRPC gives a call without an answer: what tries calls again hands that on first.
 */
function whileOpen(): { readonly interceptor: Interceptor; end(): void } {
  let isOpen = true;
  const ended: Pick<
    Call,
    | 'start'
    | 'sendMessage'
    | 'sendMessageWithContext'
    | 'startRead'
    | 'halfClose'
    | 'cancelWithStatus'
    | 'getPeer'
    | 'getAuthContext'
  > = {
    start: (metadata, listener) => {
      const status = { code: CANCELLED, details: 'the connection is closed', metadata };
      process.nextTick(() => {
        listener?.onReceiveMessage?.(null);
        listener?.onReceiveStatus?.(status);
      });
    },
    sendMessage: () => undefined,
    sendMessageWithContext: () => undefined,
    startRead: () => undefined,
    halfClose: () => undefined,
    cancelWithStatus: () => undefined,
    getPeer: () => 'none',
    getAuthContext: () => null,
  };
  return {
    // gRPC asks of a call no more than this interface has, though its types name the class.
    interceptor: (options, nextCall) => (isOpen ? nextCall(options) : ended) as Call,
    end: () => void (isOpen = false),
  };
}

/** A plain TCP connect: the gRPC client would try again and again and not name the address. */
export async function probeTemporal(address: string): Promise<void> {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (host === undefined || port === undefined) {
    throw new EspalierError('BadConfig', `TEMPORAL_ADDRESS is '${address}', not host:port`, {
      fix: "write it like 'localhost:7233'",
    });
  }
  const problem = await new Promise<string | undefined>((resolve) => {
    const socket = connectSocket({ host: host.replace(/^\[|\]$/g, ''), port: Number(port), timeout: PATIENCE_MS });
    const end = (result: string | undefined): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end(SILENT));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
  if (problem !== undefined) throw unavailable(address, problem);
}

const SILENT = `no answer within ${PATIENCE_MS / 1000} s`;

/** What `work` gives, unless the deadline (ms since the epoch) comes first. */
async function before<T>(deadline: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(SILENT)), Math.max(0, deadline - Date.now()));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unavailable(address: string, problem: string): EspalierError {
  return new EspalierError('TemporalUnavailable', `no Temporal server at ${address} (${problem})`, {
    where: address,
    fix:
      problem === SILENT
        ? 'something listens there and does not answer: on a busy machine wait and try again; else see that it is a Temporal server (TEMPORAL_ADDRESS)'
        : 'start one with `npx espalier dev`, or set TEMPORAL_ADDRESS (or temporal.toml) to yours',
  });
}
