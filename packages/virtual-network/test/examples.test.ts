import { expect, it, vi } from "vitest";

it("examples/two-guests.ts delivers, drops, logs and captures", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  });
  try {
    await import("../examples/two-guests.ts");
  } finally {
    write.mockRestore();
  }
  expect(printed.split("\n")).toEqual([
    "db received 54 bytes",
    "dropped: 52:54:00:00:00:01 > 52:54:00:00:00:02 ip4 tcp 10.0.2.15 port 40000 > 10.0.2.16 port 25",
    'captured 2, {"firewall":1}',
    "",
  ]);
});
