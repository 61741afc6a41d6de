import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UserError } from "../user-error.ts";
import type { PackageSource, Progress } from "./download.ts";
import { describePackages, type PackageParagraph, parsePackagesIndex } from "./packages-index.ts";
import { newestPackages, RESOLVER_FIELDS } from "./resolve-packages.ts";

/** So many packages are on their way at once. */
const CONNECTIONS = 4;

/**
 * Packages of a Debian mirror, for machines without apt. The index's signature is not checked, so the mirror is trusted.
 */
export function mirrorSource(mirror: string, suite: string, progress: Progress): PackageSource {
  const base = mirror.replace(/\/+$/, "");
  const get = async (path: string): Promise<Buffer> => {
    const silent = (error: Error & { cause?: Error }): never => {
      throw new UserError(
        `${base} does not answer (${error.cause?.message ?? error.message}): check --mirror, or use --kernel FILE.`,
      );
    };
    const response = await fetch(`${base}/${path}`).catch(silent);
    if (!response.ok) {
      throw new UserError(
        `${base}/${path} answers ${response.status}: check that --mirror is the root of a Debian mirror and that the suite "${suite}" exists.`,
      );
    }
    return Buffer.from(await response.arrayBuffer().catch(silent));
  };
  return {
    async packages() {
      progress(`Reading the package index of ${suite} from ${base} ...`);
      const index = gunzipSync(await get(`dists/${suite}/main/binary-amd64/Packages.gz`)).toString("utf8");
      return newestPackages(parsePackagesIndex(index, RESOLVER_FIELDS));
    },
    async download(packages, folder) {
      progress(`Downloading ${describePackages(packages)} from ${base} ...`);
      const waiting = [...packages.entries()];
      const paths: string[] = [];
      const take = async (): Promise<void> => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [index, paragraph] = next;
          paths[index] = await save(paragraph, folder, get, base);
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, take));
      return paths;
    },
  };
}

async function save(
  paragraph: PackageParagraph,
  folder: string,
  get: (path: string) => Promise<Buffer>,
  base: string,
): Promise<string> {
  const name = paragraph.get("package") ?? "";
  const file = paragraph.get("filename");
  if (file === undefined)
    throw new UserError(`${base} does not say where its package ${name} lies: use another mirror.`);
  const path = join(folder, `${name}.deb`);
  await writeFile(`${path}.part`, await get(file));
  await rename(`${path}.part`, path);
  return path;
}
