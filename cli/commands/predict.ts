import { EspalierError } from '../../artifacts/errors.ts';
import { predict } from '../../client/predict.ts';
import { createContext } from '../context.ts';
import { EXIT, printJson, printTable } from '../output.ts';

export async function predictCommand(
  json: boolean,
  model: string,
  texts: readonly string[],
  options: { url?: string; pair: readonly string[] },
): Promise<number> {
  const context = createContext();
  const url = options.url ?? context.env['ESPALIER_SERVING_URL'];
  if (url === undefined) {
    throw new EspalierError('BadConfig', 'no model server is known', {
      fix: 'start the embedded one with `npx espalier dev`, or pass --url or ESPALIER_SERVING_URL',
    });
  }
  const pairs = options.pair.length === 0 ? undefined : options.pair;
  const predictions = await predict(url.replace(/\/$/, ''), model, texts, pairs);
  if (json) printJson(predictions);
  else
    printTable(
      ['LABEL', 'PROBABILITY', 'TEXT', ...(pairs === undefined ? [] : ['PAIR'])],
      predictions.map(({ label, probability, text, pair }) => [
        label,
        probability.toFixed(3),
        text,
        ...(pair === undefined ? [] : [pair]),
      ]),
    );
  return EXIT.ok;
}
