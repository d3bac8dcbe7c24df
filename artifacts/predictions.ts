/** Prediction logs: the server appends them, monitoring reads the newest (formats in bundle.ts). */
import { predictionPrefix, type GenerationRecord, type PredictionLog, type PredictionRecord } from './bundle.ts';
import type { Pointers } from './pointers.ts';
import type { Digest } from './reference.ts';
import type { ArtifactStore } from './store.ts';

/** Writes one log of one bundle's predictions: the lines first, the log that names them last. Returns its key. */
export async function writePredictions(
  { store, pointers }: { readonly store: ArtifactStore; readonly pointers: Pointers },
  { model, bundle, server }: { readonly model: string; readonly bundle: Digest; readonly server: string },
  records: readonly [PredictionRecord | GenerationRecord, ...(PredictionRecord | GenerationRecord)[]],
): Promise<string> {
  const lines = await store.putBytes(records.map((record) => `${JSON.stringify(record)}\n`).join(''), {
    name: 'predictions.jsonl',
    mediaType: 'application/jsonl',
  });
  const from = records[0].at;
  const to = records.at(-1)?.at ?? from;
  const log: PredictionLog = { version: 1, rows: records.length, from, to, lines };
  // One server writes several logs within a millisecond only under load: the digest keeps them apart.
  const key = `${predictionPrefix(model, bundle)}${to.slice(0, 10)}/${to.replaceAll(/[-:]/g, '')}-${server}-${lines.digest.slice(-8)}`;
  await pointers.create(key, log);
  return key;
}

/** The newest `limit` predictions of a bundle, oldest first; a generator's are of the other type. Reads no more logs than it needs. */
export async function readPredictions<Logged extends PredictionRecord | GenerationRecord = PredictionRecord>(
  { store, pointers }: { readonly store: ArtifactStore; readonly pointers: Pointers },
  model: string,
  bundle: Digest,
  limit: number,
): Promise<readonly Logged[]> {
  const keys = (await pointers.list(predictionPrefix(model, bundle))).toSorted().toReversed();
  let records: Logged[] = [];
  for (const key of keys) {
    if (records.length >= limit) break;
    const log = await pointers.read<PredictionLog>(key);
    if (log === undefined) continue;
    const lines = (await store.getBytes(log.value.lines)).toString('utf8').split('\n').filter(Boolean);
    records = [...lines.map((line) => JSON.parse(line) as Logged), ...records];
  }
  return records.slice(-limit);
}
