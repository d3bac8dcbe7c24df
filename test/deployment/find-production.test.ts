import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { findProduction } from '../../activities/deployment/find-production.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import { MODEL, testPipeline, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy, forge } from '../support/release.ts';
import { retrievalFacts } from '../support/retrieval-facts.ts';

describe('what is in production', () => {
  let services: ActivityServices;
  beforeEach(async () => {
    services = await withServices();
  });
  const find = (pipeline: Pipeline = testPipeline()) =>
    findProduction({ model: MODEL, channel: 'production', pipeline }, services);

  it('is nothing where nothing was ever deployed, and where a release was withdrawn', async () => {
    equal(await find(), null);
    const release = await approvedRelease(services);
    const { release: undid } = await deploy(services, release);
    const key = channelKey(MODEL, 'production');
    const { version } = (await services.pointers.read<object>(key)) ?? {};
    const withdrawn = {
      version: 1,
      model: MODEL,
      channel: 'production',
      withdrawn: 'it failed',
      undid,
      revision: 2,
      updatedAt: '2026-01-04',
    };
    ok(await services.pointers.replace(key, withdrawn, version));
    equal(await find(), null);
  });

  it('is named by its digest, with what it was made from and the settings that are others now', async () => {
    const release = await approvedRelease(services);
    const deployed = await deploy(services, release);
    const now = testPipeline();
    const found = await find({
      ...now,
      training: { ...now.training, epochs: 9 },
      deploy: { ...now.deploy, recordText: true },
    });
    deepEqual(
      [found?.bundle, found?.release, found?.revision, found?.runId],
      [deployed.bundle.digest, deployed.release.digest, 1, 'test-run'],
    );
    equal(found?.since, deployed.deployedAt);
    deepEqual(found?.settings, [
      { path: 'training.epochs', from: 4, to: 9 },
      { path: 'deploy.recordText', from: false, to: true },
    ]);
    equal(found?.settingsLeftOut, 0);
    ok(found?.made !== null && found?.problem === undefined);
    deepEqual((await find())?.settings, []);
  });

  it('counts the settings that are too many to list', async () => {
    await deploy(services, await approvedRelease(services));
    const now = testPipeline();
    const labels = Array.from({ length: 1000 }, (_, index) => `label ${index}`);
    const found = await find({ ...now, data: { ...now.data, labels } });
    equal(found?.settings.length, 1, 'a list that was not there before is one difference');
    const files = Array.from({ length: 300 }, (_, index) => `file-${index}.csv`);
    const many = await find({ ...now, data: { ...now.data, files } });
    equal((many?.settings.length ?? 0) + (many?.settingsLeftOut ?? 0), 300);
    equal(many?.settings.length, 200);
  });

  it('is named all the same where its record cannot be read, with the reason', async () => {
    const release = await approvedRelease(services);
    const gone = { digest: `sha256:${'7'.repeat(64)}`, mediaType: 'x', size: 1, name: 'evidence' } as const;
    await forge(services, { ...release, evidence: gone });
    const found = await find();
    equal(found?.bundle, release.bundle.digest);
    equal(found?.made, null);
    match(found?.problem ?? '', /not in the store/);
  });

  it('is not what its evidence evaluated where the bundle holds another model', async () => {
    const release = await approvedRelease(services, { bundleFiles: { [`${MODEL}/1/model.onnx`]: 'another graph' } });
    await forge(services, release);
    const found = await find();
    equal(found?.made, null);
    match(found?.problem ?? '', /model\.onnx is .* was evaluated/);
  });

  it('is not compared with a model of another task, and says so', async () => {
    const release = await approvedRelease(services);
    const deployed = await deploy(services, release);
    const found = await find(retrievalFacts.pipeline);
    deepEqual([found?.bundle, found?.runId, found?.made], [deployed.bundle.digest, 'test-run', null]);
    match(
      found?.problem ?? '',
      /made by text-classification, and this model by image-retrieval: they cannot be compared/,
    );
  });

  it('is not taken for nothing where the pointer is damaged', async () => {
    ok(await services.pointers.create(channelKey(MODEL, 'production'), { version: 1, bundle: 'lost' }));
    await rejects(find(), { kind: 'Corrupt', message: /channel pointer is malformed/ });
  });

  it('is asked for again while the store cannot be reached', async () => {
    await deploy(services, await approvedRelease(services));
    const getJson = () => Promise.reject(new EspalierError('NetworkUnavailable', 'the store is away'));
    const store = Object.assign(Object.create(services.store) as typeof services.store, { getJson });
    const asked = findProduction(
      { model: MODEL, channel: 'production', pipeline: testPipeline() },
      { ...services, store },
    );
    await rejects(asked, { kind: 'NetworkUnavailable' });
  });
});
