import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BatchV1Api, CoreV1Api, KubeConfig, RbacAuthorizationV1Api, type V1Role } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { kubernetesCluster } from '../../../activities/training/remote/kubernetes.ts';
import { workerJob, type KubernetesLauncher } from '../../../activities/training/remote/worker-job.ts';
import { EspalierError, type ErrorKind } from '../../../artifacts/errors.ts';
import { LauncherSchema } from '../../../pipelines/launcher.ts';
import { ownQueue } from '../../../workflows/messages.ts';
import { testFolder } from '../../support/store.ts';
import { freePort } from '../../support/temporal.ts';

const QUEUE = ownQueue(randomUUID(), 'train', 1);
const namespace = `espalier-test-${randomUUID().slice(0, 8)}`;
const request = { name: `${QUEUE}-1`, queue: QUEUE, runId: 'tickets/1' };

function launcherIn(where: string): KubernetesLauncher {
  return LauncherSchema.parse({
    kind: 'kubernetes',
    namespace: where,
    image: 'registry.example/espalier:1',
    gpus: 2,
    serviceAccount: 'trainer',
    envFrom: [{ secret: 'espalier' }, { configMap: 'addresses' }],
    nodeSelector: { pool: 'spot' },
    tolerations: [{ key: 'spot', operator: 'Equal', value: 'yes', effect: 'NoSchedule' }],
  }) as KubernetesLauncher;
}

const failsWith =
  (kind: ErrorKind, text: RegExp) =>
  (error: unknown): boolean =>
    error instanceof EspalierError && error.kind === kind && text.test(`${error.message} ${error.fix}`);

/** A configuration that kubectl would read, with this user. */
function kubeconfig(server: object, user: object): string {
  const path = join(testFolder(), `kubeconfig-${randomUUID()}`);
  const contexts = [{ name: 'test', context: { cluster: 'test', user: 'test' } }];
  const clusters = [{ name: 'test', cluster: server }];
  const users = [{ name: 'test', user }];
  const config = { apiVersion: 'v1', kind: 'Config', clusters, users, contexts, 'current-context': 'test' };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

describe('a Kubernetes cluster', () => {
  const { KUBECONFIG } = process.env;
  afterEach(() => {
    if (KUBECONFIG === undefined) delete process.env['KUBECONFIG'];
    else process.env['KUBECONFIG'] = KUBECONFIG;
  });

  it('is told from a configuration that is wrong, and from one where nobody answers', async () => {
    const cluster = kubernetesCluster(launcherIn('training'));
    process.env['KUBECONFIG'] = join(testFolder(), 'no-such-file');
    await assert.rejects(cluster.jobs(QUEUE), failsWith('BadConfig', /cannot be read.*KUBECONFIG/s));
    process.env['KUBECONFIG'] = kubeconfig({ server: `https://127.0.0.1:${await freePort()}` }, {});
    const other = kubernetesCluster(launcherIn('training'));
    await assert.rejects(
      other.jobs(QUEUE),
      failsWith('NetworkUnavailable', /cannot list jobs in namespace 'training'/),
    );
  });

  describe('for real, with K8S_E2E=1 and the KUBECONFIG of an administrator', () => {
    let admin: { batch: BatchV1Api; core: CoreV1Api; roles: RbacAuthorizationV1Api };
    let server: object;
    before(async function () {
      if (process.env['K8S_E2E'] !== '1') this.skip();
      const config = new KubeConfig();
      config.loadFromDefault();
      admin = {
        batch: config.makeApiClient(BatchV1Api),
        core: config.makeApiClient(CoreV1Api),
        roles: config.makeApiClient(RbacAuthorizationV1Api),
      };
      const { server: address, skipTLSVerify, caData } = config.getCurrentCluster() ?? {};
      server = {
        server: address,
        'insecure-skip-tls-verify': skipTLSVerify,
        ...(caData === undefined ? {} : { 'certificate-authority-data': caData }),
      };
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
      await admin.core.createNamespace({ body: { metadata: { name: namespace, labels } } });
      await admin.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'trainer' } } });
    });
    after(async () => {
      if (process.env['K8S_E2E'] === '1') await admin.core.deleteNamespace({ name: namespace });
    });

    it('takes the Job to the letter, and its pod under the restricted Pod Security Standard', async () => {
      const body = workerJob(launcherIn(namespace), request);
      const dry = { namespace, dryRun: 'All', fieldValidation: 'Strict' } as const;
      await admin.batch.createNamespacedJob({ ...dry, body });
      const { template } = body.spec ?? {};
      assert.ok(template?.spec);
      const pod = { metadata: { name: 'p' }, spec: template.spec };
      await admin.core.createNamespacedPod({ ...dry, body: pod });
      const { securityContext: _, ...loose } = template.spec;
      const refused = admin.core.createNamespacedPod({ ...dry, body: { ...pod, spec: loose } });
      await assert.rejects(refused, /violates PodSecurity/);
    });

    it('keeps a job until it is stopped, and has one of a name', async () => {
      const cluster = kubernetesCluster(launcherIn(namespace));
      assert.deepEqual(await cluster.jobs(QUEUE), []);
      await cluster.submit(request);
      const [job, ...others] = await cluster.jobs(QUEUE);
      assert.deepEqual([job?.name, job?.state, others], [request.name, 'pending', []]);
      assert.deepEqual(await cluster.jobs(`${QUEUE}x`), []);
      await assert.rejects(cluster.submit(request), failsWith('Conflict', /already exists/));
      await cluster.stop(request.name);
      await cluster.stop(request.name);
      assert.deepEqual(await cluster.jobs(QUEUE), []);
    });

    it('says which namespace is missing, and what is wrong with a job', async () => {
      const nowhere = kubernetesCluster(launcherIn('espalier-no-such-namespace'));
      await assert.rejects(nowhere.submit(request), failsWith('NotFound', /no-such-namespace.*launcher\.namespace/s));
      const cluster = kubernetesCluster(launcherIn(namespace));
      await assert.rejects(
        cluster.submit({ ...request, name: 'Not A Name' }),
        failsWith('BadConfig', /metadata\.name/),
      );
    });

    it('denies an account without the role that the documentation has, and lets it work with that role', async () => {
      const account = { name: 'watcher', namespace };
      await admin.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: account.name } } });
      const { status } = await admin.core.createNamespacedServiceAccountToken({
        ...account,
        body: { spec: { audiences: [] } },
      });
      process.env['KUBECONFIG'] = kubeconfig(server, { token: status?.token });
      const cluster = kubernetesCluster(launcherIn(namespace));
      for (const denied of [cluster.jobs(QUEUE), cluster.submit(request)]) {
        await assert.rejects(denied, failsWith('BadConfig', /403 .*forbidden.*docs\/operating\.md/s));
      }
      const text = readFileSync(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
      const role = parse(/```yaml\n(apiVersion: rbac[^`]*)```/.exec(text)?.[1] ?? '') as V1Role;
      await admin.roles.createNamespacedRole({ namespace, body: role });
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role.metadata?.name ?? '' };
      const subjects = [{ kind: 'ServiceAccount', ...account }];
      const body = { metadata: { name: 'watcher' }, roleRef, subjects };
      await admin.roles.createNamespacedRoleBinding({ namespace, body });
      await cluster.submit(request);
      assert.equal((await cluster.jobs(QUEUE)).length, 1);
      await cluster.stop(request.name);
      assert.deepEqual(await cluster.jobs(QUEUE), []);
    });
  });
});
