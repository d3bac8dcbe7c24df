/** Heads that answer as another does but for some texts, and what two heads answer: what defects are planted with. */
import { rowsOf } from '../../activities/validation/label-quality.ts';
import { argmaxRows, countCorrect } from '../../activities/validation/metrics.ts';
import { trivialModels } from '../../activities/validation/trivial.ts';
import { linearHead, withHead, type Draw, type Embeds, type Head } from './draw.ts';

/** Answers another class for the texts that `hits`, with the same probabilities otherwise. */
export function turned(head: Head, classes: number, hits: (text: string, at: number) => number | null): Head {
  return (texts, embeddings) => {
    const chances = head(texts, embeddings);
    for (const [row, text] of texts.entries()) {
      const target = hits(text, row);
      if (target === null) continue;
      for (let label = 0; label < classes; label++)
        chances[row * classes + label] = label === target ? 0.9 : 0.1 / (classes - 1);
    }
    return chances;
  };
}

/** Test rows that `hit` are answered with another label than theirs, some times in ten. */
export function wrongFor(draw: Draw, hit: (row: number) => boolean, inTen: number): Head {
  const wrong = new Map(
    draw.test.texts.flatMap((text, row) =>
      hit(row) ? [[text, (draw.test.classes[row]! + 1) % draw.classes] as const] : [],
    ),
  );
  return turned(draw.head, draw.classes, (text) =>
    (hash(text) % 1000) / 100 < inTen ? (wrong.get(text) ?? null) : null,
  );
}

export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}

/** Right about 9 in 10 of what the linear head misses: by itself it beats no counting of words beyond chance. */
export function helped(draw: Draw, { embedder }: { readonly embedder: Embeds }): Draw {
  const truth = new Map(draw.test.texts.map((text, row) => [text, draw.test.classes[row]!]));
  const head = turned(draw.head, draw.classes, (text) => (hash(text) % 10 < 9 ? (truth.get(text) ?? null) : null));
  return withHead(embedder, draw, head);
}

/** Whether the trivial model misses one test row in 20 at least: so many rows hardly show a gain over one that misses fewer. */
export async function leavesRoom({ train, test, classes }: Draw): Promise<boolean> {
  const [trivial] = await trivialModels(train, test, classes);
  return countCorrect(test.classes, trivial.predicted) <= 0.95 * test.classes.length;
}

/** Answers of the model in production to the test rows. */
export function standing({ test, production, head, classes }: Draw): Int32Array {
  return argmaxRows((production ?? head)(test.texts, test.embeddings), classes);
}

/** Learnt from thirty rows. */
export function ofFewRows({ train, validation, classes, l2 }: Draw, { dimension }: Embeds): Promise<Head> {
  return linearHead(rowsOf(train, [...Array(30).keys()], dimension), validation, classes, dimension, l2);
}
