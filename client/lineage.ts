/** Where a released model comes from, as one tree: the release, who approved it, what was measured, trained, and from what. */
import { voterText } from '../artifacts/votes.ts';
import { evaluatedModel } from '../artifacts/release.ts';
import type { RunFacts, StepFact } from '../activities/contract/evidence.ts';
import type { IndexedModel } from '../activities/contract/retrieval.ts';
import type { StepRecord } from '../activities/step.ts';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { definedOnly } from '../artifacts/defined-only.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import type { TreeManifest } from '../artifacts/reference.ts';
import { stepRecordKey } from '../artifacts/step-records.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { winnerOf } from '../pipelines/winner.ts';
import type { FoundRelease } from './releases.ts';

export interface LineageNode {
  readonly kind:
    | 'release'
    | 'approval'
    | 'gates'
    | 'evaluation'
    | 'training'
    | 'index'
    | 'prompt'
    | 'base-model'
    | 'dataset'
    | 'definition';
  readonly title: string;
  /** What is on record about it, by name, in the order to show. Digests in full. */
  readonly facts: Readonly<Record<string, string>>;
  /** What it was made from or rests on. */
  readonly from: readonly LineageNode[];
}

/** What of the lineage does not stand in the release's evidence. */
export interface LineageDetails {
  /** The records of the run's steps by step id, where the store still has them. */
  readonly steps: ReadonlyMap<string, Pick<StepRecord<unknown>, 'codeVersion'>>;
  readonly base: TreeManifest;
  readonly dataset: TreeManifest;
}

const NONE: TreeManifest = { version: 1, entries: [] };

export async function readLineage(
  store: ArtifactStore,
  pointers: Pointers,
  release: FoundRelease,
): Promise<LineageNode> {
  const { facts } = release;
  const base = winnerOf(facts)?.imported?.model;
  const dataset = facts.data?.dataset;
  const records = await Promise.all(
    facts.steps.map(async ({ id, key }) => {
      const found = key === undefined ? undefined : await pointers.read<StepRecord<unknown>>(stepRecordKey(key));
      return [id, found?.value] as const;
    }),
  );
  return lineageOf(release, {
    steps: new Map(records.flatMap(([id, record]) => (record === undefined ? [] : [[id, record]]))),
    base: base === undefined ? NONE : await store.tree(base),
    dataset: dataset === undefined ? NONE : await store.tree(dataset),
  });
}

/** Pure, and the same for the same release. */
export function lineageOf(release: FoundRelease, details: LineageDetails): LineageNode {
  const { ref, record, facts } = release;
  return {
    kind: 'release',
    title: `${record.model}/${record.channel}`,
    facts: definedOnly({
      bundle: record.bundle,
      signed: record.signed?.digest ?? 'not signed',
      release: ref.digest,
      run: record.runId,
      evidence: record.evidence.digest,
      'replaced bundle': record.previousBundle ?? 'none',
    }),
    from: [
      ...record.approvals.map((vote) => ({
        kind: 'approval' as const,
        title: `${vote.approval}: ${vote.decision}`,
        facts: definedOnly({
          by: voterText(vote),
          'break-glass': vote.breakGlass === true ? 'the only approval it needed: marked for ever' : undefined,
          void: vote.voided?.reason,
          at: vote.at,
          evidence: vote.evidenceDigest,
          comment: vote.comment || undefined,
        }),
        from: [],
      })),
      gatesNode(facts, details),
    ],
  };
}

function gatesNode(facts: RunFacts, details: LineageDetails): LineageNode {
  const { gates } = facts;
  const evaluation = facts.evaluation ?? facts.generation?.evaluation ?? facts.retrieval;
  const results = (gates?.gates ?? []).filter(({ verdict }) => verdict !== 'off');
  return {
    kind: 'gates',
    title: `gates: ${gates?.verdict ?? 'not judged'}`,
    facts: definedOnly({
      ...Object.fromEntries(
        results.map((gate) => [
          gate.name,
          `${gate.verdict}: ${gate.measured === null ? 'not measured' : shortNumber(gate.measured)} (${gate.direction} ${gate.threshold})`,
        ]),
      ),
      hardware:
        evaluation && `${evaluation.hardware.cpu}, ${evaluation.hardware.cores} cores, ${evaluation.hardware.runtime}`,
      ...stepFacts(facts, details, 'evaluate'),
    }),
    from: [madeNode(facts, details)],
  };
}

/** What was made last before it was measured. */
function madeNode(facts: RunFacts, details: LineageDetails): LineageNode {
  const { exported } = facts;
  if (exported !== undefined && 'embedder' in exported) return indexNode(facts, exported, details);
  return prompted(facts) ? promptNode(facts, details) : trainingNode(facts, details);
}

/** The gallery's embeddings, by a model that was tuned or is as it came. */
function indexNode(facts: RunFacts, indexed: IndexedModel, details: LineageDetails): LineageNode {
  const { index, embedder, rows, dimension, search } = indexed;
  return {
    kind: 'index',
    title: `index: ${rows} pictures of ${dimension} numbers`,
    facts: definedOnly({
      index: index.digest,
      'served model': embedder.digest,
      search,
      ...stepFacts(facts, details, 'index'),
    }),
    from:
      facts.training === undefined
        ? [baseNode(facts, details), datasetNode(facts, details), definitionNode(facts)]
        : [trainingNode(facts, details)],
  };
}

function prompted({ exported }: RunFacts): boolean {
  return exported !== undefined && 'road' in exported && exported.road === 'prompted';
}

/** The weights are as they came: what was made is a prompt. A training whose model was not chosen is no part of it. */
function promptNode(facts: RunFacts, details: LineageDetails): LineageNode {
  const { exported, generation } = facts;
  const chosen = exported !== undefined && 'road' in exported ? exported : undefined;
  return {
    kind: 'prompt',
    title: 'prompted: nothing that is served was trained',
    facts: definedOnly({
      'served model': chosen?.generator.digest,
      prompt: chosen?.prompt.digest,
      guidelines: generation?.guidelines.digest,
      reason: chosen?.reason,
      ...stepFacts(facts, details, 'choose'),
    }),
    from: [baseNode(facts, details), datasetNode(facts, details), definitionNode(facts)],
  };
}

function trainingNode(facts: RunFacts, details: LineageDetails): LineageNode {
  const { training, exported, pipeline } = facts;
  const environment = training?.environment;
  return {
    kind: 'training',
    title: `training: ${pipeline.training?.method ?? 'none'}`,
    facts: definedOnly({
      'tuned model': training?.model.digest,
      'served model': exported && evaluatedModel({ exported }).digest,
      ...stepFacts(facts, details, 'train'),
      configuration: canonicalJson(pipeline.training),
      environment:
        environment &&
        Object.entries(environment.versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', '),
      'hardware class': environment && `${environment.device}, ${environment.threads} threads`,
      exact: training?.exact && (training.exact.value ? 'yes' : `no: ${training.exact.reasons.join('; ')}`),
    }),
    from: [baseNode(facts, details), datasetNode(facts, details), definitionNode(facts)],
  };
}

function baseNode(facts: RunFacts, { base }: LineageDetails): LineageNode {
  const winner = winnerOf(facts);
  const licence = winner?.resolved?.licence;
  return {
    kind: 'base-model',
    title: `base model: ${winner?.id ?? 'unknown'}`,
    facts: definedOnly({
      source: winner?.resolved?.source,
      revision: winner?.resolved?.revision,
      licence: licence && `${licence.declared ?? 'none declared'}; judged: ${licence.verdict}`,
      tree: winner?.imported?.model.digest,
      ...Object.fromEntries(base.entries.map(({ path, digest }) => [path, digest])),
    }),
    from: [],
  };
}

function datasetNode({ data, pipeline }: RunFacts, { dataset }: LineageDetails): LineageNode {
  return {
    kind: 'dataset',
    title: 'dataset',
    facts: definedOnly({
      source: pipeline.data.source,
      licence: pipeline.data.licence,
      rows:
        data &&
        Object.entries(data.rows)
          .map(([split, rows]) => `${rows} ${split}`)
          .join(', '),
      tree: data?.dataset.digest,
      ...Object.fromEntries(dataset.entries.map(({ path, digest }) => [path, digest])),
    }),
    from: [],
  };
}

function definitionNode({ definition, pipeline, run, changes = [] }: RunFacts): LineageNode {
  const changed = changes.map(({ path, to, by }) => `${path} = ${canonicalJson(to)} by ${by}`);
  return {
    kind: 'definition',
    title: `pipeline: ${pipeline.name}`,
    facts: definedOnly({
      definition: definition.digest,
      'started by': `${run.startedBy} (${run.trigger})`,
      'started at': run.startedAt,
      changed: changed.join('; ') || undefined,
    }),
    from: [],
  };
}

function stepFacts(facts: RunFacts, { steps }: LineageDetails, id: string): Record<string, string | undefined> {
  const step: StepFact | undefined = facts.steps.find((one) => one.id === id);
  return {
    step: step?.key,
    'code version': steps.get(id) && String(steps.get(id)?.codeVersion),
    'computed by': step?.computedBy,
    finished: step?.finishedAt,
  };
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** As an indented tree: every fact in full, one a line. */
export function lineageText(root: LineageNode): string {
  const lines: string[] = [];
  const write = ({ title, facts, from }: LineageNode, first: string, rest: string): void => {
    lines.push(`${first}${title}`);
    const inner = `${rest}${from.length > 0 ? '│' : ' '}   `;
    const width = Math.max(0, ...Object.keys(facts).map((name) => name.length));
    for (const [name, value] of Object.entries(facts)) {
      lines.push(`${inner}${name.padEnd(width)}  ${value.replaceAll(/\s+/g, ' ')}`);
    }
    from.forEach((node, index) => {
      const last = index === from.length - 1;
      lines.push(`${rest}│`);
      write(node, `${rest}${last ? '└' : '├'}─ `, `${rest}${last ? ' ' : '│'}  `);
    });
  };
  write(root, '', '');
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}
