import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runOutcome } from '../../client/runs.ts';
import type { PipelineDefinition } from '../../pipelines/definition.ts';
import { loadPipeline } from '../../pipelines/load.ts';
import { finishRun, startDefinition, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { repositoryOf, startTestHub, type TestHub } from '../support/hub.ts';
import { tinyImages } from '../support/tiny-image.ts';

const STORIES = join(process.env['ESPALIER_TEST_DATA'] ?? '/nowhere', 'models/karpathy/tinyllamas-stories260K');

/**
 * The definitions as they are shipped, word for word. Their hub is a local one, whose models have the names of the real ones and are
 * small enough for a test. (part-finder: image-retrieval.test.ts; support-intents: main-job.test.ts.)
 */
describe('the shipped pipelines whose candidates come from the hub', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  let hub: TestHub;
  before(async () => {
    hub = await startTestHub('(?:microsoft/resnet-18|HuggingFaceTB/SmolLM2-135M-Instruct)');
    hub.commit(await repositoryOf((await tinyImages()).model), 'microsoft/resnet-18');
    process.env['HF_ENDPOINT'] = hub.endpoint;
    host = await startTestHost();
  });
  after(async () => {
    delete process.env['HF_ENDPOINT'];
    await stopTestHosts();
    await hub.stop();
  });

  async function runShipped(name: string) {
    const { value, folder } = await loadPipeline(name);
    await startDefinition({ ...host, folder }, name, value as PipelineDefinition);
    const view = await finishRun(host, name);
    const { reason } = await runOutcome(host.temporal.client, name);
    const stateOf = (id: string) => view.steps.find((step) => step.id === id)?.state;
    return { view, reason, stateOf };
  }

  it('machine-parts: goes on with the candidate that is there, and its gates refuse a network that knew nothing', async () => {
    const { view, reason, stateOf } = await runShipped('machine-parts');
    equal(view.state, 'gates-failed', reason);
    match(reason ?? '', /accuracy is 0\.\d+ on 72 rows; .* below the pipeline's gates\.accuracy\.min \(0\.8\)/);
    const done = [
      'data',
      'export:resnet-18',
      'profile:resnet-18',
      'rank',
      'train',
      'export',
      'evaluate',
      'gates',
      'report',
    ];
    deepEqual(
      done.map((id) => [id, stateOf(id)]),
      done.map((id) => [id, 'done']),
    );
    equal(stateOf('resolve:resnet-50'), 'dropped', 'it is optional, and this hub has none');
    equal(stateOf('deploy'), 'skipped');
    ok(hub.requests.some((request) => request.includes('/microsoft/resnet-18/resolve/')));
  });

  it('support-replies: is prompted, judged by its guidelines, released and served', async function () {
    if (!existsSync(STORIES)) this.skip();
    hub.commit(await repositoryOf(STORIES), 'HuggingFaceTB/SmolLM2-135M-Instruct');
    const { view, reason, stateOf } = await runShipped('support-replies');
    equal(view.state, 'deployed', reason);
    equal(stateOf('train'), 'skipped', 'short stories keep these guidelines: no prompt needs help');
    equal(view.gates?.gates.find(({ name }) => name === 'adherence')?.verdict, 'pass');
    const response = await fetch(`${host.servingUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'support-replies',
        max_tokens: 8,
        messages: [{ role: 'user', content: 'Where is my parcel?' }],
      }),
    });
    const answer = (await response.json()) as { choices?: { message: { content: string } }[] };
    equal(response.status, 200, JSON.stringify(answer));
    ok((answer.choices?.[0]?.message.content ?? '') !== '');
  });
});
