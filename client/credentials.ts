/** Who one is to a Temporal server: which setting says it, and the error of a server that does not take it. No secret is named. */
import type { loadClientConnectConfig } from '@temporalio/envconfig';
import { EspalierError } from '../artifacts/errors.ts';
import type { Environment } from './connection.ts';

export type ConnectionSettings = ReturnType<typeof loadClientConnectConfig>['connectionOptions'];

/** What an error names of the way to a server: no secrets. */
export interface Reach {
  readonly address: string;
  readonly namespace: string;
  /** The setting that holds the key or certificate that is shown; undefined where none is. */
  readonly credential: string | undefined;
}

/** Each way of showing who one is, the variables that hold it, which win, and its key in temporal.toml. */
const CREDENTIALS: readonly {
  readonly isShown: (options: ConnectionSettings) => boolean;
  readonly variables: readonly string[];
  readonly key: string;
}[] = [
  { isShown: ({ apiKey }) => apiKey !== undefined, variables: ['TEMPORAL_API_KEY'], key: 'api_key' },
  {
    isShown: ({ tls }) => typeof tls === 'object' && tls?.clientCertPair !== undefined,
    variables: ['TEMPORAL_TLS_CLIENT_CERT_PATH', 'TEMPORAL_TLS_CLIENT_CERT_DATA'],
    key: 'tls.client_cert_path or tls.client_cert_data',
  },
  {
    isShown: ({ metadata }) => Object.keys(metadata ?? {}).includes('authorization'),
    variables: ['TEMPORAL_GRPC_META_AUTHORIZATION'],
    key: 'grpc_meta.authorization',
  },
];

/** The setting that holds what a connection shows of who asks. */
export function credentialOf(env: Environment, options: ConnectionSettings): string | undefined {
  const shown = CREDENTIALS.find(({ isShown }) => isShown(options));
  if (shown === undefined) return undefined;
  const profile = env['TEMPORAL_PROFILE'] ?? 'default';
  return (
    shown.variables.find((name) => Boolean(env[name])) ??
    `${shown.key} of the profile '${profile}' in ${env['TEMPORAL_CONFIG_FILE'] ?? 'temporal.toml'}`
  );
}

/** gRPC's codes of a server that does not let one in. */
const REFUSED: ReadonlySet<unknown> = new Set([7 /* PERMISSION_DENIED */, 16 /* UNAUTHENTICATED */]);

/** BadConfig where a server refuses who asks, as its error or that error's cause says; undefined where it says anything else. */
export function refusedWith(error: unknown, reach: Reach | undefined): EspalierError | undefined {
  const said = [error, (error as Error).cause].find((one) =>
    REFUSED.has((one as { code?: unknown } | undefined)?.code),
  );
  if (said === undefined || reach === undefined) return undefined;
  const { address, namespace, credential } = reach;
  return new EspalierError(
    'BadConfig',
    `the Temporal server at ${address} refuses this in the namespace '${namespace}': ${(said as Error).message}`,
    {
      where: credential ?? 'TEMPORAL_API_KEY',
      fix:
        credential === undefined
          ? 'no key is shown to it: set TEMPORAL_API_KEY, or a client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH), and see that the namespace is yours (TEMPORAL_NAMESPACE)'
          : `see that ${credential} holds one that this server takes and that may do this in '${namespace}' (TEMPORAL_NAMESPACE)`,
      cause: error,
    },
  );
}
