import { GNTTAB_RESERVED_CONSOLE, GNTTAB_RESERVED_XENSTORE } from "@xen-node/xen-abi";
import type { XenStore } from "@xen-node/xenstore";
import type { Dom0 } from "./dom0.ts";
import { type BuiltDomain, domainEntries } from "./domain-entries.ts";
import type { GuestConsole } from "./guest-console.ts";

/** What Dom0 does for one domain: serves its xenstore and console rings and keeps its entries in the tree. */
export interface GuestServices {
  /** Takes the last console output; the domain has shut down but still exists. */
  shutDown(): void;
  /** Lets go of the domain's pages and ports, and removes its entries. To be called before the domain is destroyed. */
  close(): void;
}

/** Maps a built domain's ring pages, binds its event channels, and writes its xenstore entries. */
export function serveGuest(dom0: Dom0, store: XenStore, console: GuestConsole, domain: BuiltDomain): GuestServices {
  const { domid, uuid } = domain;
  const client = store.client();
  client.transaction((tree) => {
    for (const { path, value, permissions } of domainEntries(domain)) {
      tree.write(path, value);
      tree.setPermissions(path, permissions);
    }
  });

  const storePage = dom0.mapRing(domid, GNTTAB_RESERVED_XENSTORE);
  const storeChannel = dom0.bindInterdomain(domid, domain.storePort, () => store.connection(domid)?.onEvent());
  store.introduceDomain(domid, { bytes: storePage.bytes, notify: storeChannel.notify });

  const consolePage = dom0.mapRing(domid, GNTTAB_RESERVED_CONSOLE);
  const consoleChannel = dom0.bindInterdomain(domid, domain.consolePort, () => console.onEvent());
  console.connect({ bytes: consolePage.bytes, notify: consoleChannel.notify });

  let consoleServed = true;
  const shutDown = (): void => {
    if (consoleServed) console.disconnect();
    consoleServed = false;
    store.domainShutDown(domid);
  };
  return {
    shutDown,
    close() {
      shutDown();
      store.releaseDomain(domid, { purge: true });
      client.transaction((tree) => {
        for (const path of [
          `/local/domain/${domid}`,
          `/local/domain/0/backend/console/${domid}`,
          `/vm/${uuid}`,
          `/libxl/${domid}`,
        ]) {
          if (tree.exists(path)) tree.rm(path);
        }
      });
      client.close();
      for (const resource of [storeChannel, consoleChannel]) resource.close();
      for (const page of [storePage, consolePage]) page.unmap();
    },
  };
}
