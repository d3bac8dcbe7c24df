/** What must hold of an attack that a definition asks for, and its schema cannot say. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ATTACK_GATES, GRADIENT_GATES, gradientsAsked, SQUARE_GATES, squaresAsked } from './attack.ts';
import type { Problem } from './check.ts';
import { AttackSchema } from './definition/attack.ts';
import { ImageCandidateSchema } from './definition/images.ts';

/** Of a definition as it was written; local models are looked at when its folder is given. */
export function attackProblems(raw: Readonly<Record<string, unknown>>, folder: string | undefined): readonly Problem[] {
  if (raw['task'] !== 'image-classification' && raw['task'] !== 'image-retrieval') return [];
  const gates = raw['gates'];
  if (!gradientsAsked(gates)) {
    if (raw['attack'] === undefined || isFilledIn(raw['attack']) || squaresAsked(gates)) return [];
    const message = 'says how hard to attack, but no gate asks for an attack';
    return [
      {
        path: 'attack',
        message,
        fix: `name one of ${ATTACK_GATES.join(', ')}: gates: { ${GRADIENT_GATES[1]}: { min: 0.5 } }`,
      },
    ];
  }
  const candidates = Array.isArray(raw['candidates']) ? raw['candidates'] : [];
  return candidates.flatMap((value: unknown, index): readonly Problem[] => {
    const candidate = ImageCandidateSchema.safeParse(value);
    if (!candidate.success || folder === undefined || !isLocalGraph(candidate.data.model, folder)) return [];
    return [
      {
        path: `candidates[${index}].model`,
        message: 'is a graph (model.onnx without weights), and a graph has no gradients to attack by',
        fix: `name gates.${SQUARE_GATES[0]} in the place of ${GRADIENT_GATES.join(' and ')}: it asks the graph itself; or choose a model with weights`,
      },
    ];
  });
}

/** What `attack.queries` was until it became more. */
const FORMER_QUERIES = 300;

/** Of a definition that was checked before, in which every default stands. */
function isFilledIn(attack: unknown): boolean {
  return [{}, { queries: FORMER_QUERIES }].some((given) => isDeepStrictEqual(attack, AttackSchema.parse(given)));
}

function isLocalGraph(model: string, folder: string): boolean {
  // With a scheme it is elsewhere: what is there is known when it is fetched.
  if (/^[A-Za-z][A-Za-z0-9+.-]+:/.test(model)) return false;
  const has = (name: string): boolean =>
    statSync(join(resolve(folder, model), name), { throwIfNoEntry: false })?.isFile() === true;
  return has('model.onnx') && !has('model.safetensors');
}
