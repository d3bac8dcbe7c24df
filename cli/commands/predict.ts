import { EspalierError } from '../../artifacts/errors.ts';
import {
  findNeighbours,
  findsPictures,
  predict,
  predictPictures,
  type PictureNeighbours,
} from '../../client/predict.ts';
import { createContext } from '../context.ts';
import { EXIT, printJson, printTable } from '../output.ts';

export async function predictCommand(
  json: boolean,
  model: string,
  texts: readonly string[],
  options: { url?: string; pair: readonly string[]; file: readonly string[]; neighbours?: string },
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
  const count = countOf(options.neighbours);
  if (options.file.length > 0 && (await findsPictures(server, model))) {
    return showNeighbours(json, await findNeighbours(server, model, options.file, count));
  }
  if (count !== undefined) {
    const message = options.file.length > 0 ? `'${model}' does not find pictures` : 'texts have no neighbours';
    throw new EspalierError('BadConfig', message, {
      where: '--neighbours',
      fix: 'leave it out, or ask a model that finds pictures with --file',
    });
  }
  if (options.file.length > 0) return showPictures(json, server, model, options.file);
  const pairs = options.pair.length === 0 ? undefined : options.pair;
  const predictions = await predict(server, model, texts, pairs);
  if (json) printJson(predictions);
  else
    printTable(
      [
        ...(predictions.some(({ labels }) => labels !== undefined)
          ? ['LABELS', 'PROBABILITIES']
          : ['LABEL', 'PROBABILITY']),
        'TEXT',
        ...(pairs === undefined ? [] : ['PAIR']),
      ],
      predictions.map(({ label, labels, probability, probabilities, text, pair }) => [
        labels?.length === 0 ? '(none)' : label,
        labels?.map((one) => (probabilities[one] ?? 0).toFixed(3)).join(', ') ?? probability.toFixed(3),
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

function countOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(given)) return Number(given);
  throw new EspalierError('BadConfig', `'${given}' is no number of neighbours`, {
    where: '--neighbours',
    fix: 'give a whole number from 1 on',
  });
}

function showNeighbours(json: boolean, found: readonly PictureNeighbours[]): number {
  if (json) printJson(found);
  else
    printTable(
      ['FILE', 'PLACE', 'SIMILARITY', 'LABEL', 'ID'],
      found.flatMap(({ file, neighbours }) =>
        neighbours.map(({ id, label, similarity }, place) => [
          place === 0 ? file : '',
          String(place + 1),
          similarity.toFixed(3),
          label,
          id,
        ]),
      ),
    );
  return EXIT.ok;
}
