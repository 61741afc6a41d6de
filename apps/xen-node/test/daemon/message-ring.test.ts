import { expect, it } from "vitest";
import { MessageRing } from "../../src/daemon/message-ring.ts";

it("keeps the last messages, each marked as Xen's, and forgets when it is told to", () => {
  const ring = new MessageRing(3);
  for (const text of ["one", "two", "(XEN) three\nfour"]) ring.add(text);
  expect(ring.read()).toEqual(["(XEN) two", "(XEN) three", "(XEN) four"]);
  expect(ring.read({ clear: true })).toHaveLength(3);
  expect(ring.read()).toEqual([]);
  ring.add("x".repeat(10_000));
  expect(ring.read()[0].length).toBeLessThan(3000);
});
