import {
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialised,
  XenbusStateInitialising,
  XenbusStateInitWait,
  XenbusStateUnknown,
} from "@xen-node/xen-abi";
import { readNumber, readPeerState, type StoreClient, type StoreTree } from "./store-client.ts";

/** A frontend that asks for what can't be given. The text goes to the device's error node. */
export class XenbusError extends Error {
  override readonly name = "XenbusError";
}

/** The part of a backend that knows its protocol. */
export interface BackendDriver {
  /** Writes what the backend offers, into its own nodes; called in a transaction, before each connection. */
  advertise(tree: StoreTree, backendPath: string): void;
  /**
   * Connects to a frontend that has written its part. @throws XenbusError if the frontend's nodes make no sense; the
   * device then closes.
   */
  connect(frontendPath: string): void;
  /** Writes what only a connected backend knows; in the transaction that makes the device connected. */
  describe(tree: StoreTree, backendPath: string): void;
  /**
   * Lets go of all that belongs to the frontend: mappings, ports. It may take a while (a disk's requests under way hold
   * the guest's pages), so `done` is called when nothing is held any more; the state changes only then. Called when there
   * is no connection too, and after a `connect` that failed half way.
   */
  disconnect(done: () => void): void;
}

export interface BackendDeviceOptions {
  store: StoreClient;
  /** The backend's node, such as /local/domain/0/backend/vbd/1/51712, with `frontend` and `frontend-id` written. */
  path: string;
  driver: BackendDriver;
  /** State of the frontend at which a connection is made: Initialised for block devices, Connected for networks. */
  connectAt: typeof XenbusStateInitialised | typeof XenbusStateConnected;
  /** The device is closed and nothing of it is left: after `close`, or because the frontend went away. */
  onClosed?: () => void;
  /** A frontend did what makes no sense; also found in its error node. */
  onError?: (message: string) => void;
}

/**
 * The backend's half of the xenbus handshake, from a device's creation to its end (xen/include/public/io/xenbus.h, and the
 * protocol's description in io/blkif.h). It follows the frontend's state; duplicate and late notices change nothing, and a
 * frontend may close and come back as often as it likes.
 */
export class BackendDevice {
  readonly path: string;
  readonly frontendPath: string;
  readonly frontendId: number;
  private readonly store: StoreClient;
  private readonly driver: BackendDriver;
  private readonly options: BackendDeviceOptions;
  private readonly watch: { close(): void };
  private state: number = XenbusStateInitialising;
  private online = true;
  private forced = false;
  private disconnecting = false;
  private over = false;

  /** Writes what the driver offers and waits for the frontend. @throws XenbusError if the toolstack's nodes are missing. */
  constructor(options: BackendDeviceOptions) {
    const { store, path, driver } = options;
    const frontendPath = store.read(`${path}/frontend`);
    const frontendId = readNumber(store, `${path}/frontend-id`, 0x7fef);
    if (frontendPath === undefined || frontendId === undefined)
      throw new XenbusError(`${path} lacks the nodes frontend and frontend-id`);
    this.options = options;
    this.store = store;
    this.path = path;
    this.driver = driver;
    this.frontendPath = frontendPath;
    this.frontendId = frontendId;
    this.offer();
    this.watch = store.watch(`${frontendPath}/state`, () => this.onFrontend());
  }

  get connected(): boolean {
    return this.state === XenbusStateConnected && !this.disconnecting;
  }

  /** Whether the device has closed for good. */
  get closed(): boolean {
    return this.over;
  }

  /**
   * Begins the orderly way down, as after `xl block-detach`: the frontend is asked to close, and `onClosed` is called when
   * it has. `force` doesn't wait for it. May be called again, to force what takes too long.
   */
  close({ force = false }: { force?: boolean } = {}): void {
    if (this.over) return;
    this.online = false;
    if (force) this.forced = true;
    this.writeIfThere("online", "0");
    const frontend = this.frontendState();
    if (
      force ||
      this.state === XenbusStateClosed ||
      frontend === XenbusStateClosed ||
      frontend === XenbusStateUnknown ||
      frontend === XenbusStateInitialising
    )
      this.disconnect(() => this.finish());
    else this.switchTo(XenbusStateClosing);
  }

  /**
   * Rewrites what `describe` writes, for a device that changed while connected. Frontends watch nothing but the state:
   * written anew with the rest, it makes them look.
   */
  redescribe(): void {
    if (!this.connected || !this.store.exists(this.path)) return;
    this.store.transaction((tree) => {
      this.driver.describe(tree, this.path);
      tree.write(`${this.path}/state`, String(XenbusStateConnected));
    });
  }

  /**
   * Reports a fault of the frontend, tells it so, and lets go of it. It may close and come back. Nothing happens without a
   * connection.
   */
  fail(message: string): void {
    if (this.over || this.disconnecting) return;
    if (this.state === XenbusStateConnected || this.state === XenbusStateClosing) this.giveUp(message);
  }

  private giveUp(message: string): void {
    this.report(message);
    // Stays Closing until the frontend has closed as well.
    this.switchTo(XenbusStateClosing);
    this.disconnect(() => {});
  }

  private offer(): void {
    this.store.transaction((tree) => {
      this.driver.advertise(tree, this.path);
      tree.write(`${this.path}/state`, String(XenbusStateInitWait));
    });
    this.state = XenbusStateInitWait;
  }

  private frontendState(): number {
    return readPeerState(this.store, this.frontendPath) ?? XenbusStateUnknown;
  }

  /**
   * Does what the frontend's state asks for. It depends on the two states alone, so notices may come late, twice, or once
   * for several changes. While the driver is letting go none is acted on; `disconnect` looks again afterwards.
   */
  private onFrontend(): void {
    if (this.over || this.disconnecting) return;
    const frontend = this.frontendState();
    switch (frontend) {
      case XenbusStateInitialising:
        // It comes back. If Closed was never seen (a guest that crashed and boots again), that is made up for first.
        if (this.state === XenbusStateClosed) this.comeBack();
        else if (this.state !== XenbusStateInitWait) this.closeConnection();
        break;
      case XenbusStateInitialised:
      case XenbusStateConnected:
        if (frontend >= this.options.connectAt && this.state === XenbusStateInitWait) this.connect();
        break;
      case XenbusStateClosing:
        // What it mapped and granted goes with its Closed; requests under way still finish.
        if (this.state !== XenbusStateClosed) this.switchTo(XenbusStateClosing);
        break;
      case XenbusStateClosed:
        if (this.state !== XenbusStateClosed) this.closeConnection();
        else if (!this.online) this.finish();
        break;
      case XenbusStateUnknown:
        // Its nodes are gone.
        this.disconnect(() => this.finish());
        break;
    }
  }

  private comeBack(): void {
    // Offering would bring back the nodes of a device that the toolstack has removed.
    if (this.online && this.store.exists(this.path)) this.offer();
    else this.finish();
  }

  private connect(): void {
    try {
      this.driver.connect(this.frontendPath);
      if (!this.store.exists(this.path)) throw new XenbusError(`${this.path} has been removed`);
      this.store.transaction((tree) => {
        this.driver.describe(tree, this.path);
        tree.write(`${this.path}/state`, String(XenbusStateConnected));
      });
    } catch (error) {
      if (!(error instanceof XenbusError)) throw error;
      this.giveUp(error.message);
      return;
    }
    this.state = XenbusStateConnected;
  }

  private closeConnection(): void {
    this.switchTo(XenbusStateClosing);
    this.disconnect(() => this.switchTo(XenbusStateClosed));
  }

  /** Has the driver let go, does `then`, and looks at what the frontend did meanwhile. */
  private disconnect(then: () => void): void {
    if (this.disconnecting) return;
    this.disconnecting = true;
    this.driver.disconnect(() => {
      if (!this.disconnecting) return;
      this.disconnecting = false;
      if (this.forced) this.finish();
      else then();
      this.onFrontend();
    });
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.watch.close();
    this.state = XenbusStateClosed;
    this.writeIfThere("state", String(XenbusStateClosed));
    this.options.onClosed?.();
  }

  private switchTo(state: number): void {
    if (this.state === state) return;
    this.state = state;
    this.writeIfThere("state", String(state));
  }

  /** A toolstack in a hurry may have removed the device's nodes; writing would bring them back. */
  private writeIfThere(node: string, value: string): void {
    if (this.store.exists(this.path)) this.store.write(`${this.path}/${node}`, value);
  }

  private report(message: string): void {
    const home = /^\/local\/domain\/\d+/.exec(this.path)?.[0];
    if (home !== undefined) this.store.write(`${home}/error${this.path.slice(home.length)}/error`, message);
    this.options.onError?.(message);
  }
}
