/** A worker as a Kubernetes Job, by the configuration that kubectl would use here: KUBECONFIG, ~/.kube, or the pod's account. */
import type { BatchV1Api, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { EspalierError } from '../../../artifacts/errors.ts';
import { refusalOf, type Cluster } from './cluster.ts';
import { jobState, QUEUE_LABEL, workerJob, type KubernetesLauncher } from './worker-job.ts';

const REQUEST_MS = 30_000;

interface Api {
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
}

export function kubernetesCluster(launcher: KubernetesLauncher): Cluster {
  const { namespace } = launcher;
  let opened: Promise<Api> | undefined;
  const ask = async <T>(what: string, question: (api: Api) => Promise<T>): Promise<T> => {
    try {
      return await question(await (opened ??= openApi()));
    } catch (error) {
      throw explained(error, `${what} in namespace '${namespace}'`);
    }
  };
  return {
    async jobs(queue) {
      const of = { namespace, labelSelector: `${QUEUE_LABEL}=${queue}` };
      // Jobs first: a pod that is younger than the list of jobs belongs to none of them, and is left out.
      const jobs = await ask('list jobs', ({ batch }) => batch.listNamespacedJob(of));
      const pods = await ask('list pods', ({ core }) => core.listNamespacedPod(of));
      return jobs.items.map((job) => jobState(job, pods.items));
    },
    async submit(job) {
      const body = workerJob(launcher, job);
      // Strict: a field that the server does not know would be dropped without a word.
      const request = { namespace, body, fieldValidation: 'Strict' };
      await ask('create jobs', ({ batch }) => batch.createNamespacedJob(request));
    },
    async stop(name) {
      try {
        // Without it the pods would be left running.
        const request = { namespace, name, propagationPolicy: 'Background' };
        await ask('delete jobs', ({ batch }) => batch.deleteNamespacedJob(request));
      } catch (error) {
        if (!(error instanceof EspalierError && error.kind === 'NotFound')) throw error;
      }
    },
  };
}

/** Loaded when first needed: it is large, and most workers never need it. */
async function openApi(): Promise<Api> {
  const { BatchV1Api, CoreV1Api, createConfiguration, KubeConfig, ServerConfiguration } =
    await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const server = clusterOf(config);
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        pre(request) {
          request.setSignal(AbortSignal.timeout(REQUEST_MS));
          return Promise.resolve(request);
        },
        post: (response) => Promise.resolve(response),
      },
    ],
  });
  return { batch: new BatchV1Api(configuration), core: new CoreV1Api(configuration) };
}

const REACHED = 'the pipeline workers reach Kubernetes as kubectl does: by KUBECONFIG, or by the account of their pod';

/** Reads the configuration and gives the address in it. */
function clusterOf(config: KubeConfig): string {
  try {
    config.loadFromDefault();
    const server = config.getCurrentCluster()?.server;
    if (server !== undefined) return server;
  } catch (cause) {
    const message = `the configuration of Kubernetes cannot be read: ${(cause as Error).message}`;
    throw new EspalierError('BadConfig', message, { where: 'KUBECONFIG', fix: REACHED, cause });
  }
  throw new EspalierError('BadConfig', 'the configuration of Kubernetes names no cluster', {
    where: 'KUBECONFIG',
    fix: REACHED,
  });
}

function explained(error: unknown, what: string): EspalierError {
  if (error instanceof EspalierError) return error;
  const { code, body, message } = error as { code?: unknown; body?: unknown; message: string };
  if (typeof code !== 'number') {
    return new EspalierError('NetworkUnavailable', `cannot ${what}: ${message}`, {
      where: 'training.launcher',
      fix: REACHED,
      cause: error,
    });
  }
  return refusalOf(code, `cannot ${what}: ${code} ${messageOf(body)}`, 'training.launcher', {
    denied: 'give the pipeline workers the role in docs/operating.md, "Trainings on Ray or Kubernetes"',
    missing: 'check training.launcher.namespace',
    trouble: 'ask whoever runs the cluster',
    other: 'check training.launcher',
  });
}

/** The sentence of a Status object, parsed or not. */
function messageOf(body: unknown): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text.slice(0, 600);
  }
}
