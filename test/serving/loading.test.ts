import { deepEqual, equal, ok } from 'node:assert/strict';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { withServices, testPipeline } from '../support/bundle.ts';
import { startTestServer, until, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import type { TestStore } from '../support/store.ts';

/** Lets the server wait before it fetches these models' bundles, as if they were large, until they are let through. */
class Gate {
  readonly #held = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  hold(bundle: string): void {
    this.#held.add(bundle);
  }

  letThrough(bundle: string): void {
    this.#held.delete(bundle);
    this.#waiting.get(bundle)?.();
  }

  async pass(paths: readonly string[]): Promise<void> {
    for (const model of this.#held) {
      if (!paths.some((path) => path.startsWith(`${model}/`))) continue;
      await new Promise<void>((resolve) => this.#waiting.set(model, resolve));
    }
  }
}

describe('a load that takes long', () => {
  let services: TestStore & ActivityServices;
  let server: TestServer;
  const gate = new Gate();
  const started: string[] = [];

  before(async () => {
    services = await withServices();
    const { store } = services;
    const checkout: ArtifactStore['checkout'] = store.checkout.bind(store);
    const slowly: ArtifactStore['checkout'] = async (tree, directory, options) => {
      await gate.pass((await store.tree(tree)).entries.map(({ path }) => path));
      return checkout(tree, directory, options);
    };
    Object.assign(store, { checkout: slowly });
    server = await startTestServer(services, { workers: 1 });
  });
  after(async () => {
    for (const model of started) gate.letThrough(model);
    await server.drain();
  });

  const key = (model: string): string => channelKey(model, 'production');
  const status = async (model: string): Promise<number> => (await server.get(`/v2/models/${model}/ready`)).status;
  const told = (event: string, model: string): number =>
    server.lines.filter((line) => line.includes(`"${event}"`) && line.includes(`"model":"${model}"`)).length;
  const served = (model: string): Promise<void> =>
    until(`${model} is served`, async () => (await status(model)) === 200);

  async function release(model: string, labels = ['even', 'odd']): Promise<DeployModelInput> {
    started.push(model);
    const pipeline = testPipeline();
    return approvedRelease(services, { labels, pipeline: { ...pipeline, deploy: { ...pipeline.deploy, model } } });
  }
  async function loading(model: string, loads = 1): Promise<void> {
    await until(`${model} is being loaded`, () => told('release-loading', model) === loads);
  }
  async function current(model: string): Promise<Buffer> {
    const found = await services.objects.getBytes(key(model));
    ok(found, 'it is deployed');
    return Buffer.from(found.bytes);
  }

  it('keeps no other model from being deployed or withdrawn, nor the server from what it serves', async () => {
    await deploy(services, await release('third'));
    await served('third');
    gate.hold('slow');
    await deploy(services, await release('slow'));
    await loading('slow');
    await deploy(services, await release('other'));
    await served('other');
    await services.objects.delete(key('third'));
    await until('the third is withdrawn', async () => (await status('third')) === 503);
    equal(told('model-served', 'slow'), 0);
    equal((await server.infer('other', ['a'])).status, 200);
    gate.letThrough('slow');
    await served('slow');
    equal(told('release-loading', 'slow'), 1, 'polls meanwhile begin no second load');
  });

  it('is for nothing where its model is withdrawn meanwhile', async () => {
    gate.hold('gone');
    await deploy(services, await release('gone'));
    await loading('gone');
    await services.objects.delete(key('gone'));
    await until('it is seen', () => told('model-withdrawn', 'gone') === 1);
    equal((await server.infer('gone', ['a'])).status, 503);
    gate.letThrough('gone');
    await until('it is given up', () => told('release-overtaken', 'gone') === 1);
    equal(await status('gone'), 503);
    equal(told('model-served', 'gone'), 0);
    ok(server.follower.states.get('gone')?.served === undefined, 'nothing is in service');
  });

  it('counts no more where the pointer was deleted and came back to the very version: it is loaded anew', async () => {
    await deploy(services, await release('back'));
    await served('back');
    const before = server.follower.states.get('back')?.served?.pool;
    ok(before, 'the first release is served');
    gate.hold('back');
    await deploy(services, await release('back', ['gerade', 'ungerade']), 'second');
    await loading('back', 2);
    const pointer = await current('back');
    await services.objects.delete(key('back'));
    await until('it is withdrawn', async () => (await status('back')) === 503);
    await services.objects.putBytes(key('back'), pointer);
    await until('what served before is unloaded', () => before.threadIds.length === 0);
    gate.letThrough('back');
    await served('back');
    deepEqual([told('release-overtaken', 'back'), told('release-loading', 'back')], [1, 3]);
    const { status: answered, json } = await server.infer('back', ['a']);
    deepEqual([answered, json.model_version], [200, '2']);
    ok(server.follower.states.get('back')?.served?.pool !== before, 'by workers that live');
  });

  it('keeps a new server from being ready until it has ended, and ends with the server', async () => {
    gate.hold('slow');
    const fresh = await startTestServer(services);
    await until('it serves the others', async () => (await fresh.get('/v2/models/other/ready')).status === 200);
    equal((await fresh.get('/v2/health/ready')).status, 503);
    const drained = fresh.drain();
    gate.letThrough('slow');
    await drained;
    ok(
      !fresh.lines.some((line) => line.includes('model-served') && line.includes('"slow"')),
      'it is not put in service',
    );
  });
});
