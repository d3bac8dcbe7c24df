/** A worker as a job on a Ray cluster, by its Jobs REST API (docs.ray.io, "Ray Jobs REST API"). */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { z } from 'zod';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { LauncherSpec } from '../../../pipelines/launcher.ts';
import { refusalOf, workerEnvironment, type Cluster, type JobRequest, type WorkerJob } from './cluster.ts';
import { withTimeLimit } from '../../../artifacts/time-limit.ts';

export type RayLauncher = Extract<LauncherSpec, { kind: 'ray' }>;

/** A submission makes an agent and an actor: seconds, or many on a busy head. */
const REQUEST_MS = 60_000;
/** How much of what a job last wrote is worth reading. */
const MESSAGE_CHARACTERS = 600;

const JobsSchema = z.array(
  z.object({ submission_id: z.string().nullish(), status: z.string(), message: z.string().nullish() }),
);

export function rayCluster(launcher: RayLauncher, env: NodeJS.ProcessEnv = process.env): Cluster {
  const base = `${launcher.address.replace(/\/+$/, '')}/api/jobs/`;
  const ask = (path: string, signal: AbortSignal | undefined, body?: unknown): Promise<unknown> =>
    withTimeLimit(REQUEST_MS, signal, (limit) =>
      request(`${base}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: authorization(base, env),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: limit,
      }),
    );
  return {
    async jobs(queue, signal) {
      return jobsOf(queue, await ask('', signal));
    },
    async submit(job, signal) {
      await ask('', signal, submission(launcher, job));
    },
    async stop(name, signal) {
      try {
        // One that waits for resources, and holds none, ends when it gets them, or after Ray's own 15 minutes.
        await ask(`${name}/stop`, signal, {});
      } catch (error) {
        if (!(error instanceof EspalierError && error.kind === 'NotFound')) throw error;
      }
    },
  };
}

/** The body of a submission. Ray gives the entrypoint to a shell: it is made of fixed words and a checked path alone. */
export function submission(launcher: RayLauncher, { name, queue, runId }: JobRequest): Record<string, unknown> {
  return {
    submission_id: name,
    entrypoint: `exec node ${launcher.installation}/dist/workers/gpu.js`,
    entrypoint_num_cpus: launcher.cpus,
    entrypoint_num_gpus: launcher.gpus,
    // Between SIGTERM and SIGKILL Ray waits 3 s unless told: too short for a checkpoint.
    runtime_env: { env_vars: { ...workerEnvironment(queue), RAY_JOB_STOP_WAIT_TIME_S: '30' } },
    metadata: { espalier_run: runId },
  };
}

/** Our jobs of a queue, out of all that a cluster lists. */
export function jobsOf(queue: string, listed: unknown): readonly WorkerJob[] {
  return JobsSchema.parse(listed).flatMap(({ submission_id: name, status, message }) => {
    if (!name?.startsWith(`${queue}-`)) return [];
    const reason = `${status.toLowerCase()}${message ? `: ${message.slice(-MESSAGE_CHARACTERS)}` : ''}`;
    const state = status === 'PENDING' ? 'pending' : status === 'RUNNING' ? 'running' : 'ended';
    return [{ name, state, reason } as const];
  });
}

/** Ray's own token goes only to the cluster that the operator names for it, not to whatever a definition names. */
function authorization(address: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const { RAY_AUTH_TOKEN: token, RAY_ADDRESS: trusted = '' } = env;
  if (!token || !URL.canParse(trusted) || new URL(trusted).origin !== new URL(address).origin) return {};
  return { authorization: `Bearer ${token}` };
}

interface Asked {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

async function request(url: string, asked: Asked): Promise<unknown> {
  try {
    const { status, text } = await exchange(url, asked);
    // A redirection is a refusal, too: a token must not follow it to another host.
    if (status !== 200) throw refusal(url, status, text);
    return JSON.parse(text);
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause;
    throw new EspalierError('NetworkUnavailable', `the Ray cluster does not answer as one: ${said(cause)}`, {
      where: url,
      fix: 'check training.launcher.address (the dashboard, port 8265) and that the pipeline workers can reach it',
      cause,
    });
  }
}

/** Not by `fetch`: it says of itself what browsers say (`Sec-Fetch-Mode`), and from those Ray takes no submission. */
async function exchange(
  url: string,
  { method, headers, body, signal }: Asked,
): Promise<{ status: number; text: string }> {
  const send = url.startsWith('https:') ? https.request : http.request;
  const sent = send(url, { method, signal, headers: { ...headers, 'content-type': 'application/json' } });
  sent.on('error', () => {}); // whoever waits for the response or reads it hears it
  sent.end(body);
  const [response] = (await once(sent, 'response', { signal })) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}

/** Where a name has several addresses, Node tells what each said, and sums up nothing. */
function said(error: unknown): string {
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [error as Error];
  return first?.message ?? String(error);
}

function refusal(url: string, status: number, text: string): EspalierError {
  // Ray answers with a traceback: its last line (with words in it) says what happened.
  const last =
    text
      .split('\n')
      .findLast((line) => /\w/.test(line))
      ?.slice(0, MESSAGE_CHARACTERS) ?? '';
  // A name that is taken comes as an error of the server's own.
  const said = /already exists/.test(text) ? 409 : status;
  return refusalOf(said, `the Ray cluster answered ${status}: ${last}`, url, {
    denied: "give the pipeline workers the cluster's RAY_AUTH_TOKEN, and its address as RAY_ADDRESS",
    missing: "check training.launcher.address: the dashboard's, port 8265",
    trouble: "see the log of the cluster's dashboard",
    other: 'check training.launcher',
  });
}
