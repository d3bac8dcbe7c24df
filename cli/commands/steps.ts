/** One step of a run: deciding what becomes of it when it is parked, and why it was or was not reused. */
import { explainStep, type ExplainedDifference } from '../../client/explain-step.ts';
import { readRunInput } from '../../client/run-input.ts';
import { resolveStep } from '../../client/runs.ts';
import { parseSettings } from '../../client/settings.ts';
import { shortDigest } from '../../artifacts/reference.ts';
import { settingProblems, type Settings } from '../../pipelines/change.ts';
import type { ResolutionAction } from '../../workflows/messages.ts';
import { confirmed } from '../confirm.ts';
import { printProblems } from '../definition.ts';
import { EXIT, printJson, say, style } from '../output.ts';
import { withContext } from './runs.ts';

interface Options {
  readonly set?: readonly string[];
  readonly comment?: string;
  readonly yes?: boolean;
}

type Command = (json: boolean, runId: string, stepId: string, options: Options) => Promise<number>;
export const retry = resolving('retry', 'is tried again');
export const skip = resolving('skip', 'is left out');
export const abort = resolving('abort', 'is given up: the run ends, its finished steps and checkpoints are kept');

function resolving(action: ResolutionAction, outcome: string): Command {
  return (json, runId, stepId, { set = [], comment = '', yes }) =>
    withContext(async (context) => {
      const settings = parseSettings(set);
      const { client } = await context.temporal();
      if (set.length > 0) {
        const problems = settingProblems((await readRunInput(client, runId)).input.pipeline, settings);
        if (problems.length > 0) return printProblems(problems, `the settings for ${stepId} of ${runId}`, json);
      }
      if (action === 'abort' && !(await confirmed(`End ${runId} at ${stepId}?`, yes))) return EXIT.needsConfirmation;
      const step = await resolveStep(client, runId, {
        step: stepId,
        action,
        ...(set.length > 0 ? { settings } : {}),
        by: context.user,
        comment,
      });
      if (json) printJson(step);
      say(`${style.bold(stepId)} of ${runId} ${outcome}${changes(settings)}`);
      if (action !== 'abort') say(style.dim(`follow it with: espalier runs watch ${runId}`));
      return EXIT.ok;
    });
}

function changes(settings: Settings): string {
  const all = Object.entries(settings).map(([path, value]) => `${path} = ${JSON.stringify(value)}`);
  return all.length === 0 ? '' : ` with ${all.join(', ')}`;
}

/** What `--json` has in full. */
const SHOWN_DIFFERENCES = 30;

export async function explain(json: boolean, runId: string, stepId: string): Promise<number> {
  return withContext(async (context) => {
    const { client } = await context.temporal();
    const { pointers } = await context.store();
    const explanation = await explainStep(client, pointers, runId, stepId);
    if (json) {
      printJson(explanation);
      return EXIT.ok;
    }
    const { reason, differences, key } = explanation;
    const hidden = differences.length - SHOWN_DIFFERENCES;
    const lines = [
      `${style.bold(stepId)} of ${runId}: ${reason}`,
      ...differences.slice(0, SHOWN_DIFFERENCES).map((one) => `  ${differenceLine(one)}`),
      ...(hidden > 0 ? [`  … and ${hidden} more (--json has all)`] : []),
      ...(key === null ? [] : [`  step key ${key}`]),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
    return EXIT.ok;
  });
}

/** `input.training.learningRate: 0.00005 → 0.0001`. */
export function differenceLine({ path, from, to, origin }: ExplainedDifference): string {
  return `${path}: ${shown(from)} → ${shown(to)}${origin === undefined ? '' : `  (from ${origin})`}`;
}

const MAX_VALUE = 60;

function shown(value: unknown): string {
  if (value === undefined) return '(absent)';
  if (typeof value === 'string' && value.startsWith('sha256:')) return shortDigest(value);
  const text = JSON.stringify(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE - 1)}…` : text;
}
