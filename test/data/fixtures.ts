/** Data files in a real store, and the step run on them. */
import { randomUUID } from 'node:crypto';
import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import { prepareData } from '../../activities/data/prepare-data.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { TextDataSchema } from '../../pipelines/definition/data.ts';
import type { z } from 'zod';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';

export type DataOptions = Partial<z.input<typeof TextDataSchema>>;
export interface TestFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly split?: DataFile['split'];
}

export async function dataServices(): Promise<ActivityServices & { readonly opened: TestStore }> {
  const opened = await withStore();
  return { store: opened.store, pointers: opened.pointers, python: { executable: '', packages: '' }, opened };
}

export async function prepare(
  services: ActivityServices,
  files: readonly TestFile[],
  options: DataOptions = {},
): Promise<DatasetSummary> {
  const data = TextDataSchema.parse({
    files: files.map(({ path }) => path),
    text: 'text',
    label: 'label',
    licence: 'CC0-1.0',
    source: 'written for this test',
    ...options,
  });
  const stored: DataFile[] = [];
  for (const { path, content, split = 'all' } of files) {
    const ref = await services.store.putBytes(content, { name: path, mediaType: 'application/octet-stream' });
    stored.push({ path, format: path.endsWith('.csv') ? 'csv' : 'jsonl', split, ref });
  }
  return runStep(prepareData, { files: stored, data }, services);
}

export async function refusal(promise: Promise<unknown>): Promise<EspalierError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof EspalierError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

export interface Labelled {
  readonly text: string;
  readonly label: string;
}

const OPENINGS = ['hello', 'please', 'hi there', 'good morning', 'so', 'well', 'sorry', 'thanks'];
const THINGS = ['parcel', 'invoice', 'garden', 'kettle', 'ladder', 'window', 'bicycle', 'lamp', 'carpet', 'mirror'];

/** Different texts even without their digits. */
export function sentences(count: number, labels: readonly string[]): Labelled[] {
  return Array.from({ length: count }, (_, index) => ({
    text: `${OPENINGS[index % 8]} my ${THINGS[index % 10]} ${letters(index)} and ${THINGS[Math.floor(index / 10) % 10]}`,
    label: labels[index % labels.length] as string,
  }));
}

function letters(value: number): string {
  return value.toString().replaceAll(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] as string);
}

export function jsonl(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export function csv(rows: readonly Labelled[]): string {
  const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  return `text,label\n${rows.map(({ text, label }) => `${cell(text)},${cell(label)}\n`).join('')}`;
}

export function uniqueName(ending: string): string {
  return `${randomUUID()}.${ending}`;
}
