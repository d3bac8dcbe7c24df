/** Which inputs show what a gate means: chosen by evaluations, and named by the gates. Pure. */
import type { Digest } from '../../artifacts/reference.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { wholeText, type TextInput } from '../../inference/texts.ts';
import type { ExampleIds, GateEvidence, GateExample } from '../contract/examples.ts';
import type { BehaviourResult, GateResult } from '../contract/validation.ts';

/** Of a gate: a history holds them, and a person looks at no more. */
export const MOST_EXAMPLES = 5;
/** Characters of a text that is kept: mistakes keep longer ones, and a book is no example. */
const MOST_CHARACTERS = 20_000;

/** `input` is missing of pictures. */
export function exampleOf(id: string, note: string, input?: TextInput): GateExample {
  return { id, note, ...definedOnly({ text: keptText(input) }) };
}

/** Of edited rows: `ids` and, of texts, `inputs` in the order that `row` counts in. */
export function editedExamples(
  changed: readonly { readonly row: number; readonly edit: string; readonly after?: TextInput }[],
  ids: readonly string[],
  inputs: readonly TextInput[] = [],
): readonly GateExample[] {
  return changed.map(({ row, edit, after }) => {
    const unedited = keptText(inputs[row]);
    const example = exampleOf(ids[row]!, `the label changes by: ${edit}`, after);
    return unedited === undefined || example.text === undefined
      ? exampleOf(example.id, example.note)
      : { ...example, unedited };
  });
}

function keptText(input: TextInput | undefined): string | undefined {
  const text = input === undefined ? undefined : wholeText(input);
  return text === undefined || text.length > MOST_CHARACTERS ? undefined : text;
}

/** What a step's result has of the examples; nothing of gates without one. */
export function idsOf(examples: Readonly<Record<string, readonly GateExample[]>>): ExampleIds {
  const named = Object.entries(examples).map(([gate, of]) => [gate, of.map(({ id }) => id)] as const);
  return Object.fromEntries(named.filter(([, ids]) => ids.length > 0));
}

/** The gate of a comparison with the rows that the new model has lost; `path` in the artifact. */
export function withLostRows<Name extends string>(
  gate: GateResult<Name>,
  artifact: Digest,
  path: string,
  lost: readonly { readonly rowId: string }[],
): GateResult<Name> {
  const ids = lost.slice(0, MOST_EXAMPLES).map(({ rowId }) => rowId);
  return ids.length === 0 ? gate : { ...gate, examples: { artifact, path, ids } };
}

/** Each gate with where its examples stand; tests of a table by where they were written. */
export function withExamples<Name extends string>(
  gates: readonly GateResult<Name>[],
  evidence: readonly GateEvidence[] = [],
  tables: readonly BehaviourResult[] = [],
): readonly GateResult<Name>[] {
  return gates.map((gate) => {
    const examples = ofTable(gate.name, evidence, tables) ?? ofGate(gate.name, evidence);
    return examples === undefined ? gate : { ...gate, examples };
  });
}

function ofGate(name: string, evidence: readonly GateEvidence[]): GateResult['examples'] {
  const found = evidence.find(({ ids }) => Object.hasOwn(ids, name));
  const ids = found?.ids[name];
  if (found === undefined || ids === undefined || ids.length === 0) return undefined;
  return { artifact: found.artifact.digest, ...(found.lines === true ? {} : { path: `examples.${name}` }), ids };
}

/** The evaluation, which comes first, has the tables' tests. */
function ofTable(
  name: string,
  [evaluation]: readonly GateEvidence[],
  tables: readonly BehaviourResult[],
): GateResult['examples'] {
  const failures = tables.find((table) => table.name === name)?.failures ?? [];
  if (evaluation === undefined || failures.length === 0) return undefined;
  const ids = failures.slice(0, MOST_EXAMPLES).map(({ file, line }) => `${file}:${line}`);
  return { artifact: evaluation.artifact.digest, path: 'behaviour', ids };
}
