/** Evaluates or compares what the environment names, and says what came of it and what it took: one line of JSON. */
import type { CompareModelsInput, EvaluateModelInput } from '../../activities/contract/validation.ts';
import { compareModels } from '../../activities/validation/compare-models.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { openStore } from '../../artifacts/open.ts';
import type { Measured } from './many-rows.ts';
import { runStep } from './step.ts';

const input = JSON.parse(process.env['STEP_INPUT'] ?? '') as EvaluateModelInput | CompareModelsInput;
const { store, pointers, close } = await openStore(process.env);
const services = { store, pointers, python: { executable: '', packages: '' } };
const started = performance.now();
const output =
  'production' in input ? await runStep(compareModels, input, services) : await runStep(evaluateModel, input, services);
const answer: Measured<typeof output> = {
  output,
  peakMb: process.resourceUsage().maxRSS / 1e3, // kilobytes
  seconds: (performance.now() - started) / 1000,
};
process.stdout.write(JSON.stringify(answer));
close();
