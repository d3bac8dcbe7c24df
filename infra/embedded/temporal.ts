/** The embedded Temporal server: the CLI's development server on a database file, bound to loopback. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isListening, startProcess, type ProcessRecord } from './processes.ts';

export type SearchAttributeType = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList';

/** What workflows are listed and filtered by; unregistered, every run would hang at its first change of state. */
export const SEARCH_ATTRIBUTES: Readonly<Record<string, SearchAttributeType>> = {
  EspalierPipeline: 'Keyword',
  EspalierState: 'Keyword',
};

/**
 * The development server reads the table of search attributes from its database again for every row that it lists: four
 * fifths of the time of a list of ten thousand approvals. Ours are registered before anybody is let in, so the table that the server keeps is right.
 */
const SERVER_SETTINGS: Readonly<Record<string, string>> = {
  'system.forceSearchAttributesCacheRefreshOnRead': 'false',
};

export interface TemporalOptions {
  readonly binary: string;
  /** SQLite file; made when missing. Only one server at a time may have it open. */
  readonly dataFile: string;
  readonly logFile: string;
  readonly port: number;
  readonly uiPort: number;
  readonly host?: string;
  /** Registered at every start; known ones are left as they are. */
  readonly searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  readonly onStart?: (process: ProcessRecord) => void;
  readonly signal?: AbortSignal;
}

export interface TemporalServer {
  readonly address: string;
  readonly uiUrl: string;
  readonly pid: number;
  /** Resolves when the process is gone: a second server on the same file would meet a locked database. */
  stop(): Promise<void>;
}

/** Starts the server and waits until it answers. */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  const { binary, dataFile, logFile, port, uiPort, host = '127.0.0.1', searchAttributes = SEARCH_ATTRIBUTES } = options;
  mkdirSync(dirname(dataFile), { recursive: true });
  const server = await startProcess({
    name: 'temporal',
    command: binary,
    args: [
      'server',
      'start-dev',
      `--ip=${host}`,
      `--port=${port}`,
      `--ui-port=${uiPort}`,
      `--db-filename=${dataFile}`,
      '--log-level=error',
      ...Object.entries(SERVER_SETTINGS).map(([name, value]) => `--dynamic-config-value=${name}=${value}`),
      ...Object.entries(searchAttributes).map(([name, type]) => `--search-attribute=${name}=${type}`),
    ],
    logFile,
    // The banner comes when the namespace exists; the port is open earlier.
    ready: async (log) => /^(?:Temporal )?Server:\s/m.test(log()) && (await isListening(host, port)),
    // Workers and clients live through a short absence.
    restart: true,
    ...(options.onStart === undefined ? {} : { onStart: options.onStart }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return {
    address: `${host}:${port}`,
    uiUrl: `http://${host}:${uiPort}`,
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
  };
}
