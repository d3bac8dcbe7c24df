/** One call for workers, server and command line: the store that the environment names. */
import { AuditLog } from './audit.ts';
import { ObjectStore } from './object-store.ts';
import { Pointers } from './pointers.ts';
import { createS3Client, storeSettings, type StoreSettings } from './settings.ts';
import { ArtifactStore } from './store.ts';

export interface OpenStore {
  readonly store: ArtifactStore;
  readonly pointers: Pointers;
  readonly audit: AuditLog;
  readonly objects: ObjectStore;
  readonly settings: StoreSettings;
  /** Closes the connections. */
  close(): void;
}

/** Makes the bucket where it may. Throws BadConfig, StorageDenied or StorageUnavailable, within seconds. */
export async function openStore(env: NodeJS.ProcessEnv = process.env): Promise<OpenStore> {
  const settings = storeSettings(env);
  const client = createS3Client(settings, env);
  const objects = new ObjectStore(client, settings);
  try {
    await objects.ensureBucket();
  } catch (error) {
    client.destroy();
    throw error;
  }
  const audit = new AuditLog(objects);
  const pointers = new Pointers(objects, audit);
  return { store: new ArtifactStore(objects), pointers, audit, objects, settings, close: () => client.destroy() };
}
