/** The Jobs API of a Ray cluster (2.60), as far as it is used, with jobs that do what a test says. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Job {
  status: 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED';
  message: string;
  readonly submission: Record<string, unknown>;
}

export interface RayJobs {
  readonly address: string;
  readonly jobs: Map<string, Job>;
  /** Method, path and token of every request so far. */
  readonly asked: string[];
  /** While set, every request is answered so. */
  refuse: { status: number; text: string } | undefined;
  /** What becomes of a job that is submitted. */
  onSubmit: (job: Job) => void;
  close(): void;
}

export async function rayJobs(): Promise<RayJobs> {
  const jobs = new Map<string, Job>();
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    const { method = '', url = '' } = request;
    ray.asked.push([method, url, request.headers.authorization].filter(Boolean).join(' '));
    void read(request).then((body) => {
      // It takes no submission from a browser, and `fetch` looks like one.
      if (method === 'POST' && 'sec-fetch-mode' in request.headers) return answer(405, 'browser traffic');
      if (ray.refuse !== undefined) return answer(ray.refuse.status, ray.refuse.text);
      const stopped = /^\/api\/jobs\/([^/]+)\/stop$/.exec(url)?.[1];
      if (method === 'POST' && stopped !== undefined) {
        const job = jobs.get(stopped);
        if (job === undefined) return answer(404, `Job ${stopped} does not exist`);
        if (/PENDING|RUNNING/.test(job.status)) Object.assign(job, { status: 'STOPPED', message: 'stopped' });
        return answer(200, { stopped: true });
      }
      if (url !== '/api/jobs/') return answer(404, '404: Not Found');
      if (method === 'GET')
        return answer(
          200,
          [...jobs].map(([name, job]) => ({ submission_id: name, ...job })),
        );
      const name = String(body['submission_id']);
      if (jobs.has(name)) {
        const text = `Traceback (most recent call last):\nValueError: Job with submission_id ${name} already exists. Please use a different submission_id.\n.`;
        return answer(500, text);
      }
      const job: Job = { status: 'RUNNING', message: 'Job is currently running.', submission: body };
      jobs.set(name, job);
      ray.onSubmit(job);
      return answer(200, { job_id: name, submission_id: name });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ray: RayJobs = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    jobs,
    asked: [],
    refuse: undefined,
    onSubmit: () => undefined,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return ray;
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}
