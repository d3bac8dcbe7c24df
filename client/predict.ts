/** One prediction by the Open Inference Protocol. */
import { EspalierError } from '../artifacts/errors.ts';

export interface Prediction {
  readonly text: string;
  readonly pair?: string;
  readonly label: string;
  readonly probability: number;
  readonly probabilities: Readonly<Record<string, number>>;
}

interface InferResponse {
  readonly outputs: readonly { readonly name: string; readonly data: readonly (string | number)[] }[];
}

/**
 * `pairs`: for a model of pairs, the second text of each.
 * @throws EspalierError BadConfig where they are not as many; NotFound / NetworkUnavailable with the server's own words
 */
export async function predict(
  serverUrl: string,
  model: string,
  texts: readonly string[],
  pairs?: readonly string[],
): Promise<Prediction[]> {
  if (pairs !== undefined && pairs.length !== texts.length) {
    throw new EspalierError('BadConfig', `${texts.length} texts and ${pairs.length} second texts make no pairs`, {
      where: '--pair',
      fix: 'give one --pair for each text, in their order',
    });
  }
  const call = async <T>(path: string, init?: RequestInit): Promise<T> => {
    const url = `${serverUrl}/v2/models/${encodeURIComponent(model)}${path}`;
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(30_000) }).catch((error: unknown) => {
      throw new EspalierError('NetworkUnavailable', `no model server at ${serverUrl} (${(error as Error).message})`, {
        fix: 'start one with `npx espalier dev`, or pass --url',
      });
    });
    const body = (await response.json().catch(() => ({}))) as T & { error?: string };
    if (!response.ok) {
      const kind = response.status === 404 ? 'NotFound' : response.status >= 500 ? 'NetworkUnavailable' : 'BadConfig';
      throw new EspalierError(kind, body.error ?? `HTTP ${response.status}`, { where: url });
    }
    return body;
  };
  const metadata = await call<{ parameters?: { labels?: string } }>('');
  const labels = JSON.parse(metadata.parameters?.labels ?? '[]') as readonly string[];
  const { outputs } = await call<InferResponse>('/infer', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: tensorsOf(texts, pairs) }),
  });
  const output = (name: string) => outputs.find((one) => one.name === name)?.data ?? [];
  const all = output('probabilities') as readonly number[];
  return texts.map((text, row) => {
    const pair = pairs?.[row];
    const probabilities = Object.fromEntries(
      labels.map((label, column) => [label, all[row * labels.length + column] ?? 0]),
    );
    const label = String(output('label')[row]);
    return {
      text,
      ...(pair === undefined ? {} : { pair }),
      label,
      probability: probabilities[label] ?? 0,
      probabilities,
    };
  });
}

function tensorsOf(texts: readonly string[], pairs: readonly string[] | undefined): readonly object[] {
  const tensor = (name: string, data: readonly string[]) => ({ name, datatype: 'BYTES', shape: [data.length], data });
  return [tensor('text', texts), ...(pairs === undefined ? [] : [tensor('pair', pairs)])];
}

/** Waits until the server has loaded the model; a server that has just started needs a few seconds. */
export async function untilServed(serverUrl: string, model: string, timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  const url = `${serverUrl}/v2/models/${encodeURIComponent(model)}/ready`;
  while (
    !(await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (Date.now() > deadline) {
      throw new EspalierError('NetworkUnavailable', `the model server at ${serverUrl} does not serve '${model}'`, {
        where: url,
        fix: 'its log (.espalier/logs/model-server.log) says why',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
