/** Where a training finds a machine when the workers that are there anyway shall not do it. */
import { z } from 'zod';
import { duration } from './duration.ts';

/** Kubernetes' names of namespaces, secrets and accounts (RFC 1123). */
const objectName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, "write a name as Kubernetes has it: 'espalier-workers'");
const quantity = z.string().regex(/^\d+(\.\d+)?(m|[kMGT]i?|Ki)?$/, "write a quantity like '4', '500m' or '16Gi'");

const common = {
  /** Accelerators of the one machine. 0: it trains on the CPU. */
  gpus: z.int().min(0).max(64).default(0),
  /** The folder of the installed package, on the nodes or in the image. It becomes part of a command: no blanks, no quotes. */
  installation: z
    .string()
    .regex(/^(\/[\w.@-]+)+$/, "write an absolute path of letters, digits, '_', '.', '@' and '-'")
    .default('/opt/espalier'),
  /** A training that has had no worker for so long is parked, with what the cluster says. */
  startWithin: duration.default('30m'),
};

/** It decides where a training runs, never what it makes: no part of any step's key. Credentials are never written here. */
export const LauncherSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('ray'),
      /** The cluster's dashboard, which serves the Jobs API. */
      address: z
        .string()
        .regex(/^https?:\/\/[^\s/@?#]+(\/[^\s@?#]*)?$/, "write an address like 'http://ray-head:8265'"),
      cpus: z.number().positive().max(1024).default(1),
      ...common,
    }),
    z.strictObject({
      kind: z.literal('kubernetes'),
      namespace: objectName,
      image: z.string().regex(/^\w[\w./:@-]{0,499}$/, "write an image like 'registry.example/espalier@sha256:…'"),
      /** The worker's identity towards the cloud; it gets no token for the cluster itself. */
      serviceAccount: objectName.optional(),
      /** Existing Secrets and ConfigMaps of the namespace whose entries are the worker's environment. */
      envFrom: z
        .array(z.union([z.strictObject({ secret: objectName }), z.strictObject({ configMap: objectName })]))
        .default([]),
      cpu: quantity.default('4'),
      memory: quantity.default('16Gi'),
      nodeSelector: z.record(z.string().min(1), z.string()).default({}),
      tolerations: z
        .array(
          z.strictObject({
            key: z.string().min(1).optional(),
            operator: z.enum(['Exists', 'Equal']).optional(),
            value: z.string().optional(),
            effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
          }),
        )
        .default([]),
      ...common,
    }),
  ],
  { error: "must be 'ray' or 'kubernetes'; leave `launcher` out for the workers that are there" },
);

export type LauncherSpec = z.output<typeof LauncherSchema>;
