import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { saveGuest } from "../saved/saved-guest.ts";
import { asUserError } from "../user-error.ts";
import type { GuestHost } from "./guest-host.ts";
import type { GuestTable } from "./guest-table.ts";
import { restoreFile } from "./saving-handlers.ts";

const SUFFIX = ".save";

/** Guests that a daemon saved into its state folder when it ended, for the next one. */
export class SavedGuests {
  private readonly folder: string;

  constructor(
    state: string,
    private readonly host: GuestHost,
    private readonly table: GuestTable,
    private readonly note: (text: string) => void,
  ) {
    this.folder = join(state, "saved");
  }

  /** Saves all guests that run. One that cannot be saved is told of, and left as it is. */
  async saveAll(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await Promise.all(
      [...this.table].map(async ({ guest }) => {
        try {
          await saveGuest(guest, join(this.folder, `${guest.name}${SUFFIX}`), "end");
        } catch (error) {
          this.note(`${guest.name} is not saved: ${sentence(error)}`);
        }
      }),
    );
  }

  /** Restores what there is. The file of a guest that runs again is removed, that of another is kept and told of. */
  async restoreAll(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names.filter((each) => each.endsWith(SUFFIX)).sort()) {
      const path = join(this.folder, name);
      try {
        const { hosted } = await restoreFile(this.host, path, { paused: true });
        // First, so that no daemon after this one takes up the guest's past again.
        await rm(path);
        hosted.guest.unpause();
        this.note(`${hosted.guest.name} goes on as domain ${hosted.domain.domid}`);
      } catch (error) {
        this.note(`${path} is kept, and its guest not restored: ${sentence(error)}`);
      }
    }
  }
}

const sentence = (error: unknown): string => (asUserError(error) as Error).message;
