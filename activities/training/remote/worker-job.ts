/** The Kubernetes Job of one worker, and what the state of such a job means. Pure. */
import type { V1ContainerStatus, V1Job, V1Pod } from '@kubernetes/client-node';
import type { LauncherSpec } from '../../../pipelines/launcher.ts';
import { workerEnvironment, type JobRequest, type WorkerJob } from './cluster.ts';

export type KubernetesLauncher = Extract<LauncherSpec, { kind: 'kubernetes' }>;

/** On jobs and their pods: which queue they poll. */
export const QUEUE_LABEL = 'app.kubernetes.io/instance';
/** Set by Kubernetes on the pods of a job. */
const JOB_LABEL = 'job-name';

/** Longer than a worker takes for its checkpoint and its end (`shutdownForceTime`, workers/worker.ts). */
const GRACE_SECONDS = 40;
/** No attempt at a training is allowed more (workflows/proxies.ts). */
const DEADLINE_SECONDS = 30 * 86_400;
/** For whoever wants to read its log. */
const KEPT_SECONDS = 3600;

/**
 * A job that keeps the "restricted" Pod Security Standard. It is never restarted by Kubernetes: whether a lost worker is
 * replaced is decided by who watches the training.
 */
export function workerJob(launcher: KubernetesLauncher, { name, queue, runId }: JobRequest): V1Job {
  const { namespace, installation, gpus, cpu, memory } = launcher;
  const labels = {
    'app.kubernetes.io/name': 'espalier',
    'app.kubernetes.io/component': 'gpu-worker',
    'app.kubernetes.io/managed-by': 'espalier',
    [QUEUE_LABEL]: queue,
  };
  const annotations = { 'espalier-run': runId };
  const amounts = { cpu, memory, ...(gpus === 0 ? {} : { 'nvidia.com/gpu': String(gpus) }) };
  const cache = `${installation}/cache`;
  const environment = {
    ...workerEnvironment(queue),
    // The trainer's Python is in the image; of the cache only the folder of blobs is written.
    XDG_CACHE_HOME: cache,
    // By default named after a user, whom an image need not know.
    ESPALIER_DEVICE_LOCKS: '/tmp/espalier-devices',
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels, annotations },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: DEADLINE_SECONDS,
      ttlSecondsAfterFinished: KEPT_SECONDS,
      template: {
        metadata: { labels, annotations },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: GRACE_SECONDS,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...(launcher.serviceAccount === undefined ? {} : { serviceAccountName: launcher.serviceAccount }),
          nodeSelector: launcher.nodeSelector,
          tolerations: launcher.tolerations,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'gpu-worker',
              image: launcher.image,
              command: ['node', `${installation}/dist/workers/gpu.js`],
              env: Object.entries(environment).map(([variable, value]) => ({ name: variable, value })),
              envFrom: launcher.envFrom.map((source) =>
                'secret' in source
                  ? { secretRef: { name: source.secret } }
                  : { configMapRef: { name: source.configMap } },
              ),
              resources: { requests: amounts, limits: amounts },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              // Its last lines are then the reason that `jobState` finds.
              terminationMessagePolicy: 'FallbackToLogsOnError',
              volumeMounts: [
                { name: 'scratch', mountPath: '/tmp' },
                { name: 'blobs', mountPath: `${cache}/espalier/blobs` },
                { name: 'shared-memory', mountPath: '/dev/shm' },
              ],
            },
          ],
          volumes: [
            { name: 'scratch', emptyDir: {} },
            { name: 'blobs', emptyDir: {} },
            // The 64 MB that a container has otherwise are too few for NCCL between several devices.
            { name: 'shared-memory', emptyDir: { medium: 'Memory' } },
          ],
        },
      },
    },
  };
}

/** What a container waits for in vain, unless somebody changes something. */
const HOPELESS: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

/** A job by its own conditions, else by its newest pod. */
export function jobState(job: V1Job, pods: readonly V1Pod[]): WorkerJob {
  const name = job.metadata?.name ?? '';
  const pod = pods
    .filter(({ metadata }) => metadata?.labels?.[JOB_LABEL] === name)
    .toSorted((a, b) => Number(a.metadata?.creationTimestamp ?? 0) - Number(b.metadata?.creationTimestamp ?? 0))
    .at(-1);
  const container = pod?.status?.containerStatuses?.[0];
  const over = job.status?.conditions?.find(
    ({ type, status }) => status === 'True' && /^(Complete|Failed|SuccessCriteriaMet|FailureTarget)$/.test(type),
  );
  const ended = job.metadata?.deletionTimestamp !== undefined || over !== undefined;
  if (ended || /^(Succeeded|Failed)$/.test(pod?.status?.phase ?? '')) {
    const told = [over?.reason, over?.message, pod?.status?.reason, pod?.status?.message, endOf(container)];
    return { name, state: 'ended', reason: sentence(told) || 'it was deleted' };
  }
  if (container?.state?.running !== undefined) return { name, state: 'running', reason: 'running' };
  const waiting = container?.state?.waiting;
  if (waiting !== undefined) {
    const hopeless = HOPELESS.has(waiting.reason ?? '');
    return { name, state: 'pending', reason: sentence([waiting.reason, waiting.message]), hopeless };
  }
  const held = pod?.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return { name, state: 'pending', reason: sentence([held?.reason, held?.message]) || 'no pod runs yet' };
}

function endOf(container: V1ContainerStatus | undefined): string | undefined {
  const terminated = container?.state?.terminated;
  return (
    terminated && sentence([`${terminated.reason} (exit code ${terminated.exitCode})`, terminated.message?.trim()])
  );
}

/** How much of what a container last wrote is worth reading. */
const SENTENCE_CHARACTERS = 600;

function sentence(parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join(': ').slice(-SENTENCE_CHARACTERS);
}
