/** Generators to serve, and what their streams say. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivityServices } from '../../activities/step.ts';
import type { GeneratorPool } from '../../serving/generator-pool.ts';
import { MODEL } from './bundle.ts';
import { approvedRelease } from './release.ts';
import type { TestStore } from './store.ts';

/** An approved release whose model is the generator of a folder. */
export async function generatorRelease(
  services: TestStore & ActivityServices,
  folder: string,
  prompt: object | null,
  { papers = {}, ...more }: { readonly recordText?: boolean; readonly papers?: Readonly<Record<string, string>> } = {},
) {
  const { store } = services;
  const names = ['generator.json', 'tokenizer.json', 'model.onnx'];
  const files: Record<string, Buffer> = {};
  for (const name of names) files[name] = await readFile(join(folder, 'generator', name));
  if (prompt !== null) files['prompt.json'] = Buffer.from(JSON.stringify(prompt));
  const entries = await Promise.all(
    Object.entries(files).map(async ([path, bytes]) => ({
      path,
      ref: await store.putBytes(bytes, { name: path, mediaType: 'application/octet-stream' }),
    })),
  );
  const placed = Object.entries(files).map(([name, bytes]) => [`${MODEL}/1/${name}`, bytes]);
  return approvedRelease(services, {
    ...more,
    exported: { generator: await store.putManifest(entries, 'generator') },
    bundleFiles: { ...Object.fromEntries(placed), ...papers, [`${MODEL}/1/classifier.json`]: null },
  });
}

/** What an event stream said, parsed; `[DONE]` as it is. */
export async function events(response: Response): Promise<Event[]> {
  return (await response.text())
    .split('\n\n')
    .filter(Boolean)
    .map((event) => event.replace(/^data: /, ''))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}
type Event = any; // oxlint-disable-line typescript/no-explicit-any -- of every shape, asserted by the tests

/** Gives a pool so much to do that what is asked of it now waits. `behind`: how many do, or have got their turn. */
export function occupied(pool: GeneratorPool): { behind(): number; readonly ended: Promise<unknown> } {
  let open = 50;
  const answers = Array.from({ length: open }, async () => {
    const pieces = pool.generate({ prompt: 'the order', options: { maxNewTokens: 40 } }, new AbortController().signal);
    while ((await pieces.next()).done !== true);
    open -= 1;
  });
  return { behind: () => pool.running + pool.queued - open, ended: Promise.all(answers) };
}
