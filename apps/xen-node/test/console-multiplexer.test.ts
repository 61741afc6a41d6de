import { describe, expect, it } from "vitest";
import { ConsoleMultiplexer } from "../src/terminal/console-multiplexer.ts";

describe("several consoles on one terminal", () => {
  it("names each line's guest and keeps lines whole", () => {
    let text = "";
    const consoles = new ConsoleMultiplexer((bytes) => {
      text += Buffer.from(bytes);
    }, true);
    consoles.output("a", Buffer.from("one\ntw"));
    consoles.output("a", Buffer.from("o\n# "));
    consoles.output("b", Buffer.from("x\n"));
    consoles.output("a", Buffer.from("y\n"));
    expect(text).toBe("[a] one\n[a] two\n[a] # \r\n[b] x\n[a] y\n");
  });

  it("leaves a guest alone untouched", () => {
    let text = "";
    new ConsoleMultiplexer((bytes) => {
      text += Buffer.from(bytes);
    }, false).output("a", Buffer.from("one\n"));
    expect(text).toBe("one\n");
  });
});
