import { EspalierError } from '../../artifacts/errors.ts';
import { predict, predictPictures } from '../../client/predict.ts';
import { createContext } from '../context.ts';
import { EXIT, printJson, printTable } from '../output.ts';

export async function predictCommand(
  json: boolean,
  model: string,
  texts: readonly string[],
  options: { url?: string; pair: readonly string[]; file: readonly string[] },
): Promise<number> {
  const context = createContext();
  const url = options.url ?? context.env['ESPALIER_SERVING_URL'];
  if (url === undefined) {
    throw new EspalierError('BadConfig', 'no model server is known', {
      fix: 'start the embedded one with `npx espalier dev`, or pass --url or ESPALIER_SERVING_URL',
    });
  }
  const server = url.replace(/\/$/, '');
  const ofTexts = texts.length + options.pair.length > 0;
  if (ofTexts === options.file.length > 0) {
    throw new EspalierError('BadConfig', ofTexts ? 'texts and pictures are given at once' : 'nothing is asked', {
      where: 'predict',
      fix: 'give texts, or --file once for each picture',
    });
  }
  if (options.file.length > 0) return showPictures(json, server, model, options.file);
  const pairs = options.pair.length === 0 ? undefined : options.pair;
  const predictions = await predict(server, model, texts, pairs);
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

async function showPictures(json: boolean, server: string, model: string, files: readonly string[]): Promise<number> {
  const predictions = await predictPictures(server, model, files);
  if (json) printJson(predictions);
  else
    printTable(
      ['LABEL', 'PROBABILITY', 'FILE'],
      predictions.map(({ label, probability, file }) => [label, probability.toFixed(3), file]),
    );
  return EXIT.ok;
}
