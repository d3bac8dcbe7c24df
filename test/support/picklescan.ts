/** Stand-ins for modelaudit-picklescan: packages of that name and version whose verdict a test chooses. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const SCANNER = `
import json, os, socket, time, zipfile
from types import SimpleNamespace as Report


class ScanOptions:
    def __init__(self, timeout_s):
        time.sleep(SECONDS)


def report(verdict, status, messages, metadata):
    findings = [Report(rule_code="STAND_IN", message=message) for message in messages]
    return Report(verdict=Report(value=verdict), status=Report(value=status), findings=findings, errors=[], metadata=metadata)


def scan_bytes(data, source, options):
    return report(*VERDICT, messages(None), {})


def scan_file(path, options):
    names = [name for name in zipfile.ZipFile(path).namelist() if name.endswith(".pkl")][:SEEN]
    members = [{"source": f"{path}:{name}", "status": "complete", "verdict": "clean"} for name in names]
    return report(*VERDICT, messages(path), {"member_reports": members})


def messages(path):
    """What the process can reach, where the test asks for it."""
    if not PROBES:
        return []
    def outcome(attempt):
        try:
            attempt()
            return "done"
        except Exception as error:
            return type(error).__name__
    interfaces = [name for _, name in socket.if_nameindex()]
    secrets = [name for name, value in os.environ.items() if "secret" in value]
    return [json.dumps([
        outcome(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
        outcome(lambda: open(path, "ab")),
        interfaces,
        secrets,
    ])]
`;

export interface StandIn {
  /** As the scanner's reports have it; `clean`, `complete` when left out. */
  readonly verdict?: string;
  readonly status?: string;
  readonly version?: string;
  /** Tells by its findings what the process can reach. */
  readonly probes?: boolean;
  /** Pickles of an archive that it looks at. */
  readonly seen?: number;
  /** How long it takes. */
  readonly seconds?: number;
}

/** A folder below `root` for ESPALIER_PICKLESCAN. */
export async function standInScanner(root: string, standIn: StandIn = {}): Promise<string> {
  const { verdict = 'clean', status = 'complete', version = '0.1.12', probes = false, seen = 1, seconds = 0 } = standIn;
  const folder = await mkdtemp(join(root, 'scanner-'));
  const name = 'modelaudit_picklescan';
  const info = join(folder, `${name}-${version}.dist-info`);
  await mkdir(info);
  await writeFile(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: modelaudit-picklescan\nVersion: ${version}\n`);
  await mkdir(join(folder, name));
  const settings = `VERDICT = (${JSON.stringify(verdict)}, ${JSON.stringify(status)})\nPROBES = ${probes ? 'True' : 'False'}\nSEEN = ${seen}\nSECONDS = ${seconds}\n`;
  await writeFile(join(folder, name, '__init__.py'), settings + SCANNER);
  return folder;
}
