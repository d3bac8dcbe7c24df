import assert from 'node:assert/strict';
import type { V1Job, V1Pod, V1PodStatus } from '@kubernetes/client-node';
import { jobName, nextOrdinal } from '../../../activities/training/remote/cluster.ts';
import { jobState, workerJob, type KubernetesLauncher } from '../../../activities/training/remote/worker-job.ts';
import { LauncherSchema } from '../../../pipelines/launcher.ts';
import { workerLife } from '../../../workers/worker.ts';
import { ownQueue } from '../../../workflows/messages.ts';

const QUEUE = ownQueue('0b8e4c0e-6d0f-4a7e-9f6d-3f1f6c8a2b11', 'train', 12);
const request = { name: jobName(QUEUE, 1), queue: QUEUE, runId: 'tickets/2026-11-24' };

function launcher(changes: object = {}): KubernetesLauncher {
  const base = { kind: 'kubernetes', namespace: 'training', image: 'registry.example/espalier:1' };
  return LauncherSchema.parse({ ...base, ...changes }) as KubernetesLauncher;
}
const podOf = (changes: object = {}) => workerJob(launcher(changes), request).spec?.template.spec;

describe('the Kubernetes Job of a worker', () => {
  it('has names that Kubernetes takes, also of the 999th', () => {
    for (const name of [QUEUE, jobName(QUEUE, 999)]) assert.match(name, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])$/);
    const names = [1, 9, 10].map((ordinal) => jobName(QUEUE, ordinal));
    assert.equal(
      nextOrdinal(
        QUEUE,
        names.map((name) => ({ name, state: 'ended', reason: '' })),
      ),
      11,
    );
    assert.equal(nextOrdinal(QUEUE, []), 1);
  });

  it('keeps the restricted Pod Security Standard and reaches nothing of the cluster', () => {
    const pod = podOf();
    assert.deepEqual(pod?.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    const [container, ...others] = pod?.containers ?? [];
    assert.deepEqual(others, []);
    assert.deepEqual(container?.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    assert.equal(pod?.automountServiceAccountToken, false);
    // Where it writes is scratch space that goes with it.
    assert.deepEqual(
      container?.volumeMounts?.map(({ name, mountPath }) => [name, mountPath]),
      [
        ['scratch', '/tmp'],
        ['blobs', '/opt/espalier/cache/espalier/blobs'],
        ['shared-memory', '/dev/shm'],
      ],
    );
    assert.ok(pod?.volumes?.every(({ emptyDir }) => emptyDir !== undefined));
  });

  it('is never restarted by Kubernetes, has time for its checkpoint, and goes away by itself in the end', () => {
    const { spec } = workerJob(launcher(), request);
    assert.deepEqual([spec?.backoffLimit, spec?.template.spec?.restartPolicy], [0, 'Never']);
    const forceSeconds = Number.parseFloat(String(workerLife({}).shutdownForceTime));
    assert.ok((spec?.template.spec?.terminationGracePeriodSeconds ?? 0) > forceSeconds);
    assert.deepEqual([spec?.ttlSecondsAfterFinished, spec?.activeDeadlineSeconds], [3600, 30 * 86_400]);
  });

  it('asks for what the definition says, and for accelerators only where it names some', () => {
    assert.deepEqual(podOf()?.containers[0]?.resources?.limits, { cpu: '4', memory: '16Gi' });
    const { resources } = podOf({ gpus: 2, cpu: '8', memory: '64Gi' })?.containers[0] ?? {};
    assert.deepEqual(resources?.limits, { cpu: '8', memory: '64Gi', 'nvidia.com/gpu': '2' });
    assert.deepEqual(resources?.requests, resources?.limits);
    const placed = {
      serviceAccount: 'trainer',
      nodeSelector: { pool: 'spot' },
      tolerations: [{ key: 'spot', operator: 'Exists', effect: 'NoSchedule' }],
    };
    const pod = podOf(placed);
    assert.deepEqual(
      { serviceAccount: pod?.serviceAccountName, nodeSelector: pod?.nodeSelector, tolerations: pod?.tolerations },
      placed,
    );
    assert.equal('serviceAccountName' in (podOf() ?? {}), false);
  });

  it('takes its credentials from existing Secrets, and says which queue it polls', () => {
    const { env, envFrom, command } =
      podOf({ envFrom: [{ secret: 'espalier' }, { configMap: 'addresses' }], installation: '/srv/e' })?.containers[0] ??
      {};
    assert.deepEqual(envFrom, [{ secretRef: { name: 'espalier' } }, { configMapRef: { name: 'addresses' } }]);
    assert.deepEqual(command, ['node', '/srv/e/dist/workers/gpu.js']);
    const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
    assert.equal(variables['ESPALIER_GPU_QUEUE'], QUEUE);
    assert.deepEqual(
      Object.keys(variables).filter((name) => /SECRET|KEY|TOKEN|PASSWORD/.test(name)),
      [],
    );
    const { metadata } = workerJob(launcher(), request);
    assert.equal(metadata?.labels?.['app.kubernetes.io/instance'], QUEUE);
    assert.deepEqual(metadata?.annotations, { 'espalier-run': request.runId });
  });
});

describe('the state of a Kubernetes Job', () => {
  const job = (changes: Partial<V1Job> = {}): V1Job => ({ metadata: { name: 'j-1' }, ...changes });
  const pod = (status: V1PodStatus, name = 'j-1', at = 1): V1Pod => ({
    metadata: { labels: { 'job-name': name }, creationTimestamp: new Date(at) },
    status,
  });
  const container = (state: object, phase = 'Pending'): V1PodStatus => ({
    phase,
    containerStatuses: [{ name: 'gpu-worker', image: '', imageID: '', ready: false, restartCount: 0, state }],
  });
  const condition = (type: string, reason: string, message: string): Partial<V1Job> => ({
    status: { conditions: [{ type, status: 'True', reason, message }] },
  });
  const unschedulable = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' };
  const killed = { terminated: { exitCode: 137, reason: 'OOMKilled' } };

  const TABLE: readonly [string, V1Job, readonly V1Pod[], string, string, boolean?][] = [
    ['no pod yet', job(), [], 'pending', 'no pod runs yet'],
    [
      'no node has room',
      job(),
      [pod({ phase: 'Pending', conditions: [unschedulable] })],
      'pending',
      'Unschedulable: 0/3 nodes',
    ],
    [
      'it starts',
      job(),
      [pod(container({ waiting: { reason: 'ContainerCreating' } }))],
      'pending',
      'ContainerCreating',
      false,
    ],
    [
      'no such image',
      job(),
      [pod(container({ waiting: { reason: 'ImagePullBackOff', message: 'not found' } }))],
      'pending',
      'ImagePullBackOff: not found',
      true,
    ],
    [
      'no such secret',
      job(),
      [pod(container({ waiting: { reason: 'CreateContainerConfigError', message: 'secret "x" not found' } }))],
      'pending',
      'CreateContainerConfigError: secret "x" not found',
      true,
    ],
    ['it runs', job(), [pod(container({ running: {} }, 'Running'))], 'running', 'running'],
    ["another job's pod", job(), [pod(container({ running: {} }, 'Running'), 'j-2')], 'pending', 'no pod runs yet'],
    [
      'its newest pod counts',
      job(),
      [pod(container({ running: {} }, 'Running'), 'j-1', 2), pod({ phase: 'Failed' })],
      'running',
      'running',
    ],
    [
      'its pod was evicted',
      job(),
      [pod({ phase: 'Failed', reason: 'Evicted', message: 'disk pressure' })],
      'ended',
      'Evicted: disk pressure',
    ],
    [
      'it was killed',
      job(condition('Failed', 'BackoffLimitExceeded', 'backoff limit')),
      [pod(container(killed, 'Failed'))],
      'ended',
      'BackoffLimitExceeded: backoff limit: OOMKilled (exit code 137)',
    ],
    [
      'it is complete',
      job(condition('Complete', 'CompletionsReached', 'reached')),
      [],
      'ended',
      'CompletionsReached: reached',
    ],
    ['it is suspended', job(condition('Suspended', 'JobSuspended', '')), [], 'pending', 'no pod runs yet'],
    [
      'it is being deleted',
      job({ metadata: { name: 'j-1', deletionTimestamp: new Date() } }),
      [pod(container({ running: {} }, 'Running'))],
      'ended',
      'it was deleted',
    ],
  ];
  for (const [title, theJob, pods, state, reason, hopeless] of TABLE) {
    it(`is ${state} when ${title}`, () => {
      const found = jobState(theJob, pods);
      assert.deepEqual([found.name, found.state, found.reason], ['j-1', state, reason]);
      assert.equal(found.hopeless ?? false, hopeless ?? false);
    });
  }
});
