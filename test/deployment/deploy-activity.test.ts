import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { asyncLocalStorage, Context, type Info } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { DeployModelInput, Deployment } from '../../activities/contract/deployment.ts';
import type { Progress } from '../../activities/contract.ts';
import { deployModelActivity } from '../../activities/deployment/deploy-model.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { approvedRelease } from '../support/release.ts';
import { until } from '../support/model-server.ts';

describe('the deployment as an activity', () => {
  let services: ActivityServices;
  let input: DeployModelInput;
  before(async () => {
    services = await withServices();
    input = await approvedRelease(services);
  });

  it('beats while it works, with the phase it is in, and never after it ended', async () => {
    const phases: Progress[] = [];
    // A store that answers once it has beaten again: nothing of the deployment itself reports progress meanwhile.
    const { store } = services;
    const tree: ArtifactStore['tree'] = async (ref) => {
      const beats = (): number => phases.filter(({ phase }) => phase === 'checking approvals').length;
      while (ref === input.evidence.digest && beats() < 2) await sleep(20);
      return store.tree(ref);
    };
    const slow = Object.assign(Object.create(store) as ArtifactStore, {
      tree,
      getJson: store.getJson.bind(store),
      putJson: store.putJson.bind(store),
      putManifest: store.putManifest.bind(store),
    });
    const { running } = inActivity({ ...services, store: slow }, input, (beat) => phases.push(beat));
    equal((await running).revision, 1);
    const beats = phases.map(({ phase }) => phase);
    deepEqual([...new Set(beats)], ['checking approvals', 'signing', 'moving the pointer']);
    await sleep(2500);
    equal(phases.length, beats.length);
  });

  it('fails with the kind of what went wrong, not to be tried again where that cannot help', async () => {
    const { running } = inActivity(services, { ...input, approvals: [] });
    await rejects(running, (error) => {
      ok(error instanceof ApplicationFailure);
      deepEqual([error.type, error.nonRetryable], ['ApprovalRefused', true]);
      const [record] = error.details as [{ where: string; kind: string; fix: string }];
      deepEqual([record.where, record.kind], [input.bundle.digest, 'ApprovalRefused']);
      return true;
    });
    const gone = inActivity({ ...services, servingUrl: 'http://127.0.0.1:9' }, input);
    gone.cancel();
    await rejects(gone.running, CancelledFailure);
  });

  it('stops when it is cancelled while it waits for the model server, and leaves the pointer to the next attempt', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    try {
      await until('it listens', () => silent.listening);
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const phases: Progress[] = [];
      const { running, cancel } = inActivity({ ...services, servingUrl: url }, input, (beat) => phases.push(beat));
      await until('it waits', () => phases.at(-1)?.phase === 'waiting for the model server');
      const startedAt = performance.now();
      cancel();
      await rejects(running, (error: Error) => error instanceof CancelledFailure || error.name === 'AbortError');
      ok(performance.now() - startedAt < 40_000); // it would wait for a minute
      const pointer = await services.pointers.read<{ bundle: unknown }>(channelKey(MODEL, 'production'));
      deepEqual(pointer?.value.bundle, input.bundle);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });
});

/** The activity in a context such as a worker makes, its heartbeats observed. */
function inActivity(
  services: ActivityServices,
  input: DeployModelInput,
  onBeat: (progress: Progress) => void = () => undefined,
): { readonly running: Promise<Deployment>; cancel(): void } {
  const controller = new AbortController();
  const never = new Promise<never>(() => undefined);
  const context = Reflect.construct(Context, [{ attempt: 1 } as Info, never, controller.signal, onBeat]) as Context;
  const call = { runId: 'test-run', stepId: 'deploy', input, reuse: true };
  return {
    running: asyncLocalStorage.run(context, () => deployModelActivity(services)(call)),
    cancel: () => controller.abort(new CancelledFailure('CANCELLED')),
  };
}
