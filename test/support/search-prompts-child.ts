/** Runs the search that the environment names, a line for every answer: for a test that kills it. */
import type { SearchPromptsInput } from '../../activities/contract/prompting.ts';
import { searchPrompts } from '../../activities/generation/search-prompts.ts';
import { openStore } from '../../artifacts/open.ts';
import { runStep } from './step.ts';

const input = JSON.parse(process.env['SEARCH_INPUT'] ?? '') as SearchPromptsInput;
const { store, pointers } = await openStore(process.env);
const services = { store, pointers, python: { executable: '', packages: '' } };
await runStep(searchPrompts, input, services, {
  runId: process.env['SEARCH_RUN'] ?? '',
  reuse: false,
  onProgress: ({ done }) => {
    if (done !== undefined) process.stdout.write('answered\n');
  },
});
