import { access, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const FOLDER = "received";
const TOKEN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Nobody asks for longer than that what became of a migration. */
const KEPT_MS = 90 * 24 * 3600 * 1000;

/**
 * Which guests this daemon took over from others, for good: a file in the state folder for each, by the token of its
 * migration. The file decides: whoever has sent the guest may run it again exactly if there is none and never will be.
 */
export class AcceptedDomains {
  private constructor(private readonly folder: string) {}

  static async open(state: string, now: number = Date.now()): Promise<AcceptedDomains> {
    const folder = join(state, FOLDER);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const { mtimeMs } = await stat(path);
      if (now - mtimeMs > KEPT_MS) await rm(path, { force: true });
    }
    return new AcceptedDomains(folder);
  }

  static isToken(text: string): boolean {
    return TOKEN.test(text);
  }

  /** Resolves when it is on the disk; when it throws, it is not there. */
  async record(token: string, name: string): Promise<void> {
    const path = this.pathOf(token);
    const fresh = `${path}.new`;
    try {
      const file = await open(fresh, "w", 0o600);
      try {
        await file.writeFile(`${name}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(fresh, path);
      const folder = await open(this.folder, "r");
      await folder.sync().finally(() => folder.close());
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async has(token: string): Promise<boolean> {
    try {
      await access(this.pathOf(token));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }

  private pathOf(token: string): string {
    if (!AcceptedDomains.isToken(token)) throw new RangeError(`"${token}" is no token of a migration`);
    return join(this.folder, token);
  }
}
