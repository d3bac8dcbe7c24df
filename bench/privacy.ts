/**
 * The scan for personal data on one core: goal ≥ 20 MB/s (UTF-8) on messages with some personal data among them. Prints
 * also the rate on text without any number, and on text that is nothing but personal data.
 *
 *   npx tsx bench/privacy.ts [MB = 20]
 */
import { findPersonalData } from '../activities/privacy/scan.ts';

const GOAL = 20;
const megabytes = Number(process.argv[2] ?? 20);
const WORDS =
  'please tell me when my parcel will be here it was late again and the kettle is broken can I get my money back'.split(
    ' ',
  );
const VALUES = [
  'jo.doe@mail.example',
  '+49 30 7654321',
  '4111 1111 1111 1111',
  'DE89370400440532013000',
  '12345678Z',
  '203.0.113.7',
  'AKIAIOSFODNN7NOTREAL',
  'born on 1980-02-29',
];
const NUMBERS = ['2026-11-24', 'order 20231234', 'at 10:30', '19.99', 'room 12', '3 of them', 'A1234-B'];

/** Messages of twenty words; every `numberEvery`-th and `valueEvery`-th word is a number or a value instead. */
function messages(numberEvery: number, valueEvery: number): readonly string[] {
  const list: string[] = [];
  let word = 0;
  for (let size = 0; size < megabytes * 1e6; size += list.at(-1)?.length ?? 0) {
    const words = Array.from({ length: 20 }, () => {
      word += 1;
      if (word % valueEvery === 0) return VALUES[(word / valueEvery) % VALUES.length];
      return word % numberEvery === 0
        ? NUMBERS[(word / numberEvery) % NUMBERS.length]
        : WORDS[(word * 7) % WORDS.length];
    });
    list.push(words.join(' '));
  }
  return list;
}

function rate(texts: readonly string[]): number {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const rounds = Array.from({ length: 5 }, () => {
    const from = process.cpuUsage();
    for (const text of texts) findPersonalData(text);
    // CPU time: one core's, whatever else the machine does.
    return process.cpuUsage(from).user / 1e6;
  });
  const median = rounds.toSorted((one, other) => one - other)[2] ?? Number.NaN;
  return bytes / 1e6 / median;
}

const mixed = rate(messages(15, 200));
console.log(`messages, a number every 15 words, a value every 200: ${mixed.toFixed(0)} MB/s (goal ≥ ${GOAL})`);
console.log(`words only: ${rate(messages(Infinity, Infinity)).toFixed(0)} MB/s`);
console.log(`every second word a value: ${rate(messages(Infinity, 2)).toFixed(0)} MB/s`);
process.exitCode = mixed >= GOAL ? 0 : 1;
