import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import { movePointer, takeBack } from '../../activities/deployment/move-pointer.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer } from '../../artifacts/bundle.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy } from '../support/release.ts';

describe('deploying a model, retried', () => {
  let services: ActivityServices;
  beforeEach(async () => {
    services = await withServices();
  });
  const pointer = async () => (await services.pointers.read<ChannelPointer>(channelKey(MODEL, 'production')))?.value;
  const move = async (run: string, release: DeployModelInput) =>
    movePointer(run, release, release.bundle, services, new AbortController().signal);

  it('never moves the channel back over a newer run, and names that run', async () => {
    const older = await approvedRelease(services);
    const newer = await approvedRelease(services, { labels: ['gerade', 'ungerade'] });
    await deploy(services, older, 'run-a');
    await deploy(services, newer, 'run-b');
    const superseded = {
      kind: 'Conflict',
      retryable: false,
      message: /release of run-a is superseded by run-b: tiny-parity\/production is at revision 2/,
    };
    await rejects(deploy(services, older, 'run-a'), superseded);
    deepEqual([(await pointer())?.bundle, (await pointer())?.revision], [newer.bundle, 2]);
    await deploy(services, newer, 'run-c');
    await rejects(deploy(services, older, 'run-a'), /superseded by run-c: .* revision 3/);
    equal((await deploy(services, older, 'run-d')).revision, 4, 'a new run may bring the older bundle back');
  });

  it('knows its own move also where the worker died before it was told of it', async () => {
    const release = await approvedRelease(services);
    const lost = dying(services, { after: true });
    await rejects(deploy(lost, release, 'run-a'), /the worker died/);
    equal((await pointer())?.revision, 1);
    await deploy(services, await approvedRelease(services, { labels: ['x', 'y'] }), 'run-b');
    await rejects(deploy(services, release, 'run-a'), { kind: 'Conflict', message: /superseded by run-b/ });
    equal((await pointer())?.revision, 2);
  });

  it('moves where the worker died before it had moved anything', async () => {
    const release = await approvedRelease(services);
    await rejects(deploy(dying(services, { after: false }), release, 'run-a'), /the worker died/);
    await deploy(services, await approvedRelease(services, { labels: ['x', 'y'] }), 'run-b');
    equal((await deploy(services, release, 'run-a')).revision, 2);
  });

  it('is superseded by what followed a release of its own that was taken back', async () => {
    const [first, refused] = [await approvedRelease(services), await approvedRelease(services, { labels: ['x', 'y'] })];
    await move('run-a', first);
    match(await takeBack(await move('run-b', refused), 'no', services), /again, as before/);
    equal((await move('run-a', first)).pointer.revision, 3);
    await move('run-c', first);
    await rejects(move('run-b', refused), { kind: 'Conflict', message: /run-b is superseded by run-c/ });
    await rejects(move('run-a', first), { kind: 'Conflict', message: /run-a is superseded by run-c/ });
  });

  it('takes nothing back once the channel has moved on', async () => {
    const release = await approvedRelease(services);
    const refused = await move('run-a', release);
    await move('run-b', release);
    match(await takeBack(refused, 'no', services), /has moved on since and was left as it is/);
    equal((await pointer())?.revision, 2);
  });
});

/** Services whose worker dies at the channel's move: before the store has it, or after. */
function dying(services: ActivityServices, { after }: { readonly after: boolean }): ActivityServices {
  const { pointers } = services;
  const replace: Pointers['replace'] = async (key, value, version) => {
    if (after) await pointers.replace(key, value, version);
    throw new Error('the worker died');
  };
  return {
    ...services,
    pointers: { replace, read: pointers.read.bind(pointers), create: pointers.create.bind(pointers) } as Pointers,
  };
}
