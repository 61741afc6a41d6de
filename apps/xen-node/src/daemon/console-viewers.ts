import type { Socket } from "node:net";
import { Backlog } from "@xen-node/console";
import type { GuestConsole } from "@xen-node/toolstack";

/** Output kept for who comes later. */
const BACKLOG_BYTES = 64 * 1024;
/** Output that a viewer may be behind; one that does not read is let go, so that neither it nor memory holds up a guest. */
const MOST_BEHIND_BYTES = 1024 * 1024;
/** Input that may wait for the guest before its viewers have to wait. */
const MOST_WAITING_BYTES = 64 * 1024;

/** Those who look at a guest's console and type into it, any number at a time. */
export class ConsoleViewers {
  private readonly backlog = new Backlog(BACKLOG_BYTES);
  private readonly viewers = new Set<Socket>();

  constructor(private readonly console: Pick<GuestConsole, "onOutput" | "write" | "pendingInput">) {
    console.onOutput((bytes) => {
      this.backlog.append(bytes);
      for (const viewer of this.viewers) this.show(viewer, bytes);
    });
  }

  /** Shows the last output, then what comes, and types what the viewer sends. */
  attach(viewer: Socket): void {
    this.viewers.add(viewer);
    viewer.on("error", () => viewer.destroy());
    viewer.on("close", () => this.viewers.delete(viewer));
    if (this.backlog.length > 0) viewer.write(this.backlog.toBytes());
    viewer.on("data", (bytes: Buffer) => {
      if (this.console.write(bytes) > MOST_WAITING_BYTES) viewer.pause();
    });
    viewer.resume();
  }

  /** The guest has taken input: those that had to wait may go on. */
  onInputDrained(): void {
    if (this.console.pendingInput > MOST_WAITING_BYTES / 2) return;
    for (const viewer of this.viewers) viewer.resume();
  }

  /** The guest is gone. */
  end(): void {
    for (const viewer of this.viewers) viewer.end();
  }

  private show(viewer: Socket, bytes: Uint8Array): void {
    if (viewer.writableLength + bytes.length > MOST_BEHIND_BYTES) viewer.destroy();
    else viewer.write(bytes);
  }
}
