import { SeededRandom } from "@xen-node/hypervisor-core";
import { XenStore } from "@xen-node/xenstore";
import { describe, expect, it } from "vitest";
import { domainEntries } from "../src/dom0/domain-entries.ts";
import { validateDomainConfig } from "../src/index.ts";
import { randomUuid } from "../src/uuid.ts";

const config = validateDomainConfig({ name: "web", kernel: "/boot/vmlinuz", cmdline: "ro", memory: 64, vcpus: 2 });
const uuid = randomUuid(new SeededRandom(1));

function storeWith(domid: number) {
  const store = new XenStore();
  const dom0 = store.client();
  const rings = { storeMfn: 100, consoleMfn: 101, storePort: 1, consolePort: 2 };
  for (const entry of domainEntries({ domid, uuid, config, startTime: 7, ...rings })) {
    dom0.write(entry.path, entry.value);
    dom0.setPermissions(entry.path, entry.permissions);
  }
  return { store, dom0, guest: store.client(domid) };
}

describe("a domain's entries in xenstore", () => {
  it("tell the guest who it is, by paths relative to its home", () => {
    const { guest } = storeWith(5);
    expect(guest.read("name")).toBe("web");
    expect(guest.read("domid")).toBe("5");
    expect(guest.read("vm")).toBe(`/vm/${uuid}`);
    expect(guest.read("memory/target")).toBe("65536");
    expect(guest.read("cpu/1/availability")).toBe("online");
    expect(guest.ls("cpu")).toEqual(["0", "1"]);
    expect(guest.read("store/port")).toBe("1");
    expect(guest.read("console/ring-ref")).toBe("101");
    expect(guest.read(`/vm/${uuid}/image/cmdline`)).toBe("ro");
  });

  it("say how much memory and how many vcpus it may have one day", () => {
    const entries = domainEntries({
      domid: 5,
      uuid,
      config: { ...config, maxMemory: 128, maxVcpus: 3 },
      startTime: 7,
      storeMfn: 100,
      consoleMfn: 101,
      storePort: 1,
      consolePort: 2,
    });
    const value = (name: string) => entries.find(({ path }) => path === `/local/domain/5/${name}`)?.value;
    expect(value("memory/static-max")).toBe("131072");
    expect(value("memory/target")).toBe("65536");
    expect(["0", "1", "2", "3"].map((id) => value(`cpu/${id}/availability`))).toEqual([
      "online",
      "online",
      "offline",
      undefined,
    ]);
  });

  it("let the guest write where it answers, and nowhere else", () => {
    const { guest, dom0 } = storeWith(5);
    guest.write("control/shutdown", "");
    guest.write("control/feature-suspend", "1");
    guest.write("data/mine", "x");
    expect(dom0.read("/local/domain/5/data/mine")).toBe("x");
    for (const path of ["name", "memory/target", "device/vbd", "/local/domain/0/backend/x", "/tool/x"]) {
      expect(() => guest.write(path, "y"), path).toThrow(/EACCES/);
    }
  });

  it("are closed to other guests", () => {
    const { store } = storeWith(5);
    const other = store.client(6);
    expect(() => other.read("/local/domain/5/name")).toThrow(/EACCES/);
    expect(() => other.write("/local/domain/5/data/x", "")).toThrow(/EACCES/);
  });
});

describe("a random UUID", () => {
  it("is of version 4 and follows from the seed", () => {
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(randomUuid(new SeededRandom(1))).toBe(uuid);
    expect(randomUuid(new SeededRandom(2))).not.toBe(uuid);
  });
});
