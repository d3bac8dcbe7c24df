import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PromptSearch, SearchPromptsInput } from '../../activities/contract/prompting.ts';
import { jsonLine } from '../../activities/data/prompts.ts';
import { searchPrompts } from '../../activities/generation/search-prompts.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { GenerationDefaultsSchema, GeneratorSelectionSchema } from '../../pipelines/definition/generation.ts';
import { parseGuidelines } from '../../pipelines/guidelines/guidelines.ts';
import { dataServices } from '../data/fixtures.ts';
import { runStep } from '../support/step.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';

const GUIDELINES = `version: 1
checks:
  - { id: calm, kind: banned-phrases, phrases: [the] }
`;
const ROWS = 16;

describe('a search for a prompt whose worker is killed', function () {
  this.timeout(120_000);
  let services: Awaited<ReturnType<typeof dataServices>>;
  let input: SearchPromptsInput;
  before(async () => {
    services = await dataServices();
    const { store } = services;
    const line = (id: string) => jsonLine({ id, prompt: `late ${id}`, completion: 'an order' });
    const rows = (name: string) => Array.from({ length: ROWS }, (_, index) => line(`${name}${index}`)).join('');
    const files = ['train', 'validation', 'test'].map(async (name) => ({
      path: `${name}.jsonl`,
      ref: await store.putBytes(rows(name), { name, mediaType: 'application/jsonl' }),
    }));
    const { prompts } = GeneratorSelectionSchema.parse({ prompts: { examples: [0, 1], systems: ['be kind'] } });
    input = {
      generator: await store.putTree(join(await tinyGenerator(), 'generator'), 'generator'),
      dataset: await store.putManifest(await Promise.all(files), 'dataset'),
      guidelines: await store.putBytes(canonicalJson(parseGuidelines(GUIDELINES, 'g.yaml')), {
        name: 'guidelines.json',
        mediaType: 'application/json',
      }),
      search: prompts,
      // Drawn, not greedy: what was answered before the kill must not shift the draws after it.
      generation: GenerationDefaultsSchema.parse({ maxNewTokens: 8, temperature: 1 }),
      seed: 7,
    };
  });
  after(() => services.opened.close());

  /** In this process; how many answers it took. */
  async function search(runId: string): Promise<{ found: PromptSearch; answers: number }> {
    let answers = 0;
    const onProgress = ({ done }: { readonly done?: number }): void => void (answers += Number(done !== undefined));
    return { found: await runStep(searchPrompts, input, services, { runId, reuse: false, onProgress }), answers };
  }

  /** In a process of its own, which is killed at this answer. */
  async function killedAt(answer: number, runId: string): Promise<void> {
    const script = fileURLToPath(new URL('../support/search-prompts-child.ts', import.meta.url));
    const env = { ...process.env, ...services.opened.env, SEARCH_INPUT: JSON.stringify(input), SEARCH_RUN: runId };
    const child = spawn(process.execPath, ['--import', 'tsx', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let answers = 0;
    createInterface({ input: child.stdout }).on('line', () => {
      if (++answers === answer) child.kill('SIGKILL');
    });
    const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    equal(signal, 'SIGKILL', 'it had ended before');
  }

  it('goes on with what was answered, asks only the rest, and ends with the same bytes', async () => {
    const whole = await search('whole');
    await killedAt(whole.answers - 20, 'killed');
    const rest = await search('killed');
    ok(rest.answers < whole.answers / 2, `${rest.answers} of ${whole.answers} were asked again`);
    ok(rest.answers >= 20);
    deepEqual(rest.found, whole.found);
    equal((await search('killed')).answers, 0);
  });

  it('takes nothing from other runs where a run must not', async () => {
    const [one, other] = [await search('one'), await search('other')];
    equal(one.answers, other.answers);
    ok(one.answers > 0);
  });
});
