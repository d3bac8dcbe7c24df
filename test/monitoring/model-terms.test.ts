import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { CheckTermsInput } from '../../activities/contract/review.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { TermsReport } from '../../activities/contract/monitoring.ts';
import { checkModelTerms, settleTerms } from '../../activities/monitoring/check-model-terms.ts';
import { checkTerms } from '../../activities/review/check-terms.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { publishPolicy } from '../../client/licence-policy.ts';
import { listModels } from '../../client/models.ts';
import { packageRoot } from '../../pipelines/load.ts';
import { testPipeline } from '../support/bundle.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { startTestHub } from '../support/hub.ts';

const MIT = readFileSync(join(packageRoot(), 'pipelines/licence/texts/mit.txt'), 'utf8');
const card = (licence: string): string => `---\nlicense: ${licence}\n---\n`;

/** A model in a bucket whose owner changes its terms, released and served; a store of its own for every test. */
describe('the terms of a model', function () {
  let test: TestStore;
  let services: ActivityServices;
  let client: S3Client;
  let root: string;
  const saved = { ...process.env };
  const failed = new Set<string>();

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'espalier-terms-'));
    test = await withStore();
    const python = pythonForTests();
    Object.assign(process.env, test.env, { XDG_CACHE_HOME: join(root, 'cache'), HF_HOME: join(root, 'hub') });
    services = { store: test.store, pointers: test.pointers, python };
    client = createS3Client(storeSettings());
    failed.clear();
  });
  afterEach(() => {
    client.destroy();
    rmSync(root, { recursive: true, force: true });
    for (const name of [
      'XDG_CACHE_HOME',
      'HF_HOME',
      'HF_ENDPOINT',
      'ESPALIER_LICENCE_POLICY',
      ...Object.keys(test.env),
    ]) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
  });

  const put = async (files: Readonly<Record<string, string>>): Promise<void> => {
    const { bucket } = storeSettings();
    for (const [name, text] of Object.entries(files)) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `models/m/${name}`, Body: text }));
    }
  };
  const context = () => ({
    ...services,
    signal: new AbortController().signal,
    workDir: mkdtempSync(join(root, 'work-')),
    failed: (check: string) => Promise.resolve(failed.has(check)),
  });

  /** Resolved and packaged from `model`, as the step before the release gets it. */
  async function candidateOf(model: string, policy?: ArtifactRef): Promise<CheckTermsInput> {
    const pipeline = testPipeline();
    const candidate = { ...pipeline.candidates[0]!, model };
    const given = { candidate, intendedUse: pipeline.intendedUse, ...(policy === undefined ? {} : { policy }) };
    const resolved = await runStep(resolveModel, given, services);
    const file = await services.store.putBytes('x', { name: 'x', mediaType: 'text/plain' });
    const paths = [`${pipeline.deploy.model}/1/model.onnx`, 'NOTICE', 'MODEL_CARD.md', 'LICENSES/texts/x.txt'];
    return {
      pipeline,
      candidate,
      resolved,
      imported: {
        model: resolved.tree ?? (await services.store.putManifest([{ path: 'LICENSE', ref: file }], 'model')),
        quarantined: [],
        parameters: 1,
        weightsBytes: 1,
      },
      bundle: await services.store.putManifest(
        paths.map((path) => ({ path, ref: file })),
        'bundle',
      ),
      duties: [],
      ...(policy === undefined ? {} : { policy }),
    };
  }

  /** What the step before the release says stands in the evidence; the channel points to that release. */
  async function release(input: CheckTermsInput): Promise<ArtifactRef> {
    const { store, pointers } = services;
    const { pipeline, candidate, resolved, imported, bundle, duties, policy } = input;
    const terms = await checkTerms(input, context());
    const facts = {
      run: { id: 'r', pipeline: pipeline.name, startedBy: 'somebody', startedAt: '', trigger: 'user' },
      pipeline,
      candidates: [{ id: candidate.id, resolved, imported }],
      selection: { winner: candidate.id, ranking: [], rule: '' },
      duties,
      terms,
    } as unknown as RunFacts;
    const evidence = await store.putManifest(
      [{ path: 'facts.json', ref: await store.putJson(facts, 'facts.json') }],
      'evidence',
    );
    const given = {
      pipeline,
      candidates: [candidate],
      startedBy: 'somebody',
      ...(policy === undefined ? {} : { policy }),
    };
    const runInput = await store.putJson(given, 'run.json');
    const { model, channel } = pipeline.deploy;
    const made = {
      version: 1,
      model,
      channel,
      bundle: bundle.digest,
      previousBundle: null,
      recordText: false,
      runId: 'r',
    };
    const ref = await store.putJson({ ...made, evidence, approvals: [], monitor: {}, runInput }, 'release.json');
    const at = { version: 1, model, channel, bundle, release: ref, revision: 1, updatedAt: '2026-01-01T00:00:00.000Z' };
    const key = channelKey(model, channel);
    ok(await pointers.replace(key, at, (await pointers.read(key))?.version));
    return ref;
  }
  const check = (runId = 'check-1'): Promise<TermsReport> => {
    const { model, channel } = testPipeline().deploy;
    return checkModelTerms({ runId, stepId: 'check-terms', reuse: false, input: { model, channel } }, context());
  };
  const s3 = (): string => `s3://${storeSettings().bucket}/models/m`;
  const policy = (yaml: string): Promise<ArtifactRef> =>
    services.store.putBytes(`version: 1\n${yaml}`, { name: 'policy.yaml', mediaType: 'application/yaml' });
  const publish = (yaml: string, pipeline?: string) =>
    publishPolicy(services, { text: `version: 1\n${yaml}`, name: 'policy.yaml', by: 'alice', pipeline });

  describe('judged again before a release', () => {
    it('stand while neither policy nor source nor bundle has changed', async () => {
      await put({ 'README.md': card('mit'), LICENSE: MIT });
      const { verdict, source, changes, policyFrom } = await checkTerms(await candidateOf(s3()), context());
      deepEqual([verdict, source.state, changes, policyFrom], ['allow', 'read', [], 'no policy file']);
      deepEqual([source.declared, source.texts.map(({ path }) => path)], [['mit'], ['LICENSE']]);
    });

    it('are for a person when the text at the source has changed, with the lines that differ', async () => {
      await put({ 'README.md': card('mit'), LICENSE: MIT });
      const input = await candidateOf(s3());
      await put({ LICENSE: `${MIT}\nNot for money.\n` });
      const { verdict, reasons, changes, source } = await checkTerms(input, context());
      equal(verdict, 'review');
      deepEqual(changes[0]?.differences, ['+ Not for money.']);
      deepEqual(
        [changes[0]?.before, changes[0]?.after],
        [input.resolved.licence.texts?.[0]?.digest, source.texts[0]?.digest],
      );
      match(reasons.join('\n'), /at the source, LICENSE has changed.*Not for money/);
    });

    it('never become a denial by what the source declares later, but say that it would be one', async () => {
      await put({ 'README.md': card('mit') });
      const input = await candidateOf(s3());
      await put({ 'README.md': card('cc-by-nc-4.0') });
      const { verdict, reasons } = await checkTerms(input, context());
      equal(verdict, 'review');
      match(reasons.join('\n'), /declared mit and declares cc-by-nc-4\.0 by now/);
      match(reasons.join('\n'), /would be: deny, CC-BY-NC-4\.0: forbids commercial use/);
    });

    it('stop the release where the policy forbids it by now, and say what would help', async () => {
      await put({ 'README.md': card('mit') });
      const input = await candidateOf(s3());
      const rule = (then: string): string =>
        `rules:\n- {id: no-mit, when: {licences: [mit]}, then: ${then}, reason: legal said no, howToFix: ask legal}`;
      await publish(rule('deny'));
      await rejects(checkTerms(input, context()), (error: { kind: string; message: string; fix: string }) => {
        equal(error.kind, 'LicenceDenied');
        match(error.message, /legal said no/);
        match(error.fix, /ask legal; then retry this step/);
        return true;
      });
      // The pipeline's own wins over what holds for all.
      await publish(rule('review'), input.pipeline.name);
      const { verdict, policyFrom } = await checkTerms(input, context());
      equal(verdict, 'review');
      match(policyFrom, /published for parity by alice/);
      // Where a definition names its own policy, what was published for all does not apply.
      await publish('', 'another');
      process.env['ESPALIER_LICENCE_POLICY'] = '/none/of/this.yaml';
      const own = { ...input, pipeline: { ...input.pipeline, name: 'own', review: { policy: 'own.yaml' } } };
      equal((await checkTerms(own, context())).verdict, 'allow');
      await rejects(checkTerms({ ...own, pipeline: { ...own.pipeline, review: undefined } }, context()), {
        kind: 'NotFound',
      });
    });

    it('follow a conclusion until its last day only', async () => {
      await put({ 'README.md': card('unknown') });
      const { resolved } = await candidateOf(s3());
      const until = (expires: string): Promise<ArtifactRef> =>
        policy(
          `conclusions:\n- {model: "${resolved.source}", revision: "${resolved.revision}", concluded: mit, by: alice, reason: asked, expires: ${expires}}`,
        );
      const held = await checkTerms(await candidateOf(s3(), await until('2999-12-31')), context());
      deepEqual([held.verdict, held.conclusion?.by], ['allow', 'alice']);
      const ended = await checkTerms(await candidateOf(s3(), await until('2020-01-01')), context());
      equal(ended.verdict, 'review');
      match(ended.reasons.join('\n'), /alice drew about .* expired on 2020-01-01/);
    });

    it('deny what the bundle does not hold, and a name without its prefix', async () => {
      await put({ 'README.md': card('apache-2.0') });
      const input = await candidateOf(s3());
      const published = { ...input.pipeline, intendedUse: { ...input.pipeline.intendedUse, publish: true } };
      const duty = { licence: 'Apache-2.0', text: 'x', clause: 's.4', note: '' };
      const copy = { ...duty, duty: 'licenseCopyIncluded', state: 'done' as const, file: 'LICENSES/texts/x.txt' };
      const given = { ...input, pipeline: published };
      equal((await checkTerms({ ...given, duties: [copy] }, context())).verdict, 'allow');
      await rejects(checkTerms({ ...given, duties: [{ ...copy, file: 'LICENSES/gone.txt' }] }, context()), {
        kind: 'LicenceDenied',
        message: /include a copy of the licence, which the stated use does not do/,
      });
      const notice = { ...duty, duty: 'noticesRetained', state: 'done' as const, file: null };
      await rejects(checkTerms({ ...given, duties: [notice] }, context()), { kind: 'LicenceDenied' });
      const device = { ...published, intendedUse: { ...published.intendedUse, hardware: { ramMb: 1e-7 } } };
      await rejects(checkTerms({ ...given, pipeline: device }, context()), { message: /do not fit 1e-7 MB of RAM/ });
      await put({ 'README.md': card('llama3.1') });
      await rejects(checkTerms(await candidateOf(s3()), context()), {
        kind: 'LicenceDenied',
        message: /must begin with "Llama"/,
      });
    });

    it('say that a source is out of reach, which is no change', async () => {
      const hub = await startTestHub('org/tiny');
      process.env['HF_ENDPOINT'] = hub.endpoint;
      const commit = hub.commit({ 'README.md': Buffer.from(card('mit')), LICENSE: Buffer.from(MIT) });
      const input = await candidateOf(`hf:org/tiny@${commit}`);
      const first = await checkTerms(input, context());
      deepEqual([first.verdict, first.source.state, first.source.at], ['allow', 'read', `org/tiny@${commit}`]);
      const later = hub.commit({ 'README.md': Buffer.from(card('mit')), LICENSE: Buffer.from('All rights reserved.') });
      const changed = await checkTerms(input, context());
      deepEqual([changed.verdict, changed.source.at], ['review', `org/tiny@${later}`]);
      await hub.stop();
      const { verdict, source } = await checkTerms(input, context());
      deepEqual([verdict, source.state], ['allow', 'unreachable']);
      match(source.at, /cannot be reached/);
    });
  });

  describe('of a served model', () => {
    const shown = async () => (await listModels(services.store, services.pointers))[0];

    it('stand while nothing has changed, and when the source is out of reach', async () => {
      await put({ 'README.md': card('mit'), LICENSE: MIT });
      await release(await candidateOf(s3()));
      const { verdict, startRun, reopened, source } = await check();
      deepEqual([verdict, startRun, reopened], ['same', null, null]);
      match(source, /^read: s3:/);
      deepEqual([(await shown())?.termsCheck?.verdict, (await shown())?.reviewReopened], ['same', null]);
    });

    it('reopen the review once when the text at the source changes, until a release is made of the answer', async () => {
      await put({ 'README.md': card('mit'), LICENSE: MIT });
      const input = await candidateOf(s3());
      const ref = await release(input);
      await put({ LICENSE: `${MIT}\nNot for money.\n` });
      const first = await check('check-1');
      equal(first.verdict, 'changed');
      match(first.reopened?.reasons.join('\n') ?? '', /it was allow and is review by now\n.*Not for money/);
      match(first.reopened?.runId ?? '', /^parity-terms-[0-9a-f]{12}$/);
      const again = await services.store.getJson<{ reuse: boolean; reopened: { terms: { changes: unknown[] } } }>(
        first.startRun!,
      );
      deepEqual([again.reuse, again.reopened.terms.changes.length], [true, 1]);
      // A retry of the same check may start it, another check may not, until the first has failed without starting it.
      ok((await check('check-1')).startRun);
      equal((await check('check-2')).startRun, null);
      failed.add('check-1');
      ok((await check('check-2')).startRun);
      match((await shown())?.reviewReopened ?? '', /^review reopened at .*Not for money.*decide in run parity-terms-/);

      const ended = (runId: string, state: string) =>
        settleTerms(
          {
            runId,
            stepId: 'settle-terms',
            reuse: false,
            input: { ...testPipeline().deploy, state, reason: "lena rejected 'review': no", at: 'now' },
          },
          services,
        );
      await ended('another-run', 'deployed');
      match((await shown())?.reviewReopened ?? '', /decide in run/);
      await ended(first.reopened?.runId ?? '', 'rejected');
      match(
        (await shown())?.reviewReopened ?? '',
        /rejected: lena rejected 'review': no; deploy a model whose terms are accepted/,
      );
      equal((await check('check-3')).startRun, null, 'what was rejected is not asked again');
      match((await shown())?.reviewReopened ?? '', /rejected/);

      // A release that was approved with the new text in its evidence is the new measure.
      const next = await release({ ...(await candidateOf(s3())), imported: input.imported });
      ok(next.digest !== ref.digest);
      equal((await shown())?.reviewReopened, null, 'the answer was another release');
      equal((await check('check-4')).verdict, 'same');
    });

    it('reopen the review when the policy of now decides otherwise, and when a conclusion has ended', async () => {
      await put({ 'README.md': card('mit') });
      await release(await candidateOf(s3()));
      await publish('allow: {licences: [apache-2.0]}');
      const { verdict, reopened, startRun } = await check();
      equal(verdict, 'changed');
      match(reopened?.reasons.join('\n') ?? '', /MIT is not among the licences that the organisation allows/);
      const { policy: now } = await services.store.getJson<{ policy: ArtifactRef }>(startRun!);
      match((await services.store.getBytes(now)).toString(), /apache-2\.0/);
      await publish('');
      equal((await check()).verdict, 'same', 'what was taken back is no longer asked about');

      await put({ 'README.md': card('unknown') });
      const { resolved } = await candidateOf(s3());
      const until = (expires: string): string =>
        `conclusions:\n- {model: "${resolved.source}", revision: "${resolved.revision}", concluded: mit, by: alice, reason: asked, expires: ${expires}}`;
      await publish(until('2999-12-31'));
      await release(await candidateOf(s3(), await policy(until('2999-12-31'))));
      equal((await check()).verdict, 'same');
      await publish(until('2020-01-01'));
      match(
        (await check()).reopened?.reasons.join('\n') ?? '',
        /the conclusion that alice drew until 2999-12-31 no longer holds/,
      );
    });

    it('are not known where the release kept nothing of them, and nothing is asked', async () => {
      await put({ 'README.md': card('mit') });
      const input = await candidateOf(s3());
      const { terms: _, ...licence } = input.resolved.licence;
      const old = { ...input, resolved: { ...input.resolved, licence } };
      await release(old);
      deepEqual([(await check()).verdict, (await check()).startRun], ['not-known', null]);
    });

    it('cannot be asked of an empty channel', async () => {
      await rejects(check(), { kind: 'NotFound', message: /nothing is deployed/ });
    });
  });
});
