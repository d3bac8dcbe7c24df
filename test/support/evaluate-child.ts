/** Evaluates, compares or probes what the environment names, and says what came of it and what it took: one line of JSON. */
import type { EncoderProbe, ProbeEncoderInput } from '../../activities/contract/selection.ts';
import type {
  CompareModelsInput,
  EvaluateModelInput,
  Evaluation,
  ModelComparison,
} from '../../activities/contract/validation.ts';
import { peakMemoryMb } from '../../activities/selection/peak-memory.ts';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import { compareModels } from '../../activities/validation/compare-models.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { openStore } from '../../artifacts/open.ts';
import type { Measured } from './many-rows.ts';
import { runStep } from './step.ts';

const input = JSON.parse(process.env['STEP_INPUT'] ?? '') as
  | EvaluateModelInput
  | CompareModelsInput
  | ProbeEncoderInput;
const { store, pointers, close } = await openStore(process.env);
const services = { store, pointers, python: { executable: '', packages: '' } };
const started = performance.now();
const output = await run();
const answer: Measured<typeof output> = {
  output,
  peakMb: peakMemoryMb(),
  seconds: (performance.now() - started) / 1000,
};
process.stdout.write(JSON.stringify(answer));
close();

function run(): Promise<ModelComparison | Evaluation | EncoderProbe> {
  if ('production' in input) return runStep(compareModels, input, services);
  if ('neighbours' in input) return runStep(probeEncoder, input, services);
  return runStep(evaluateModel, input, services);
}
