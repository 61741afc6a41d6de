import { describe, expect, it } from "vitest";
import { SuiteMarks, type SuiteRound } from "../src/suite-marks.ts";

/** Marks with clocks that the test sets, and all that they report. */
function follow() {
  const clock = { wall: 0, processor: 0 };
  const events: unknown[] = [];
  const marks = new SuiteMarks(
    { wall: () => clock.wall, processor: () => clock.processor },
    {
      onRound: (program: string, round: number, result: SuiteRound) => events.push([program, round, result]),
      onFailure: (program, status) => events.push(["failure", program, status]),
      onDone: () => events.push("done"),
      onOther: (line) => events.push(["other", line]),
    },
  );
  const print = (text: string, wall = clock.wall, processor = clock.processor): void => {
    Object.assign(clock, { wall, processor });
    marks.push(Buffer.from(text, "latin1"));
  };
  return { print, events };
}

describe("the marks of the suite", () => {
  it("take the time from the end of the first mark to the begin of the second", () => {
    const { print, events } = follow();
    print("<fib", 1, 0);
    print(" 3\r\n", 10, 5);
    print(">", 30, 20);
    print("fib 3 19500000", 40, 21);
    print(" 00000000000000ab\r\n", 50, 30);
    expect(events).toEqual([["fib", 3, { wallMs: 20, processorMs: 15, guestMs: 19.5, result: "00000000000000ab" }]]);
  });

  it("come in one piece as well, and on several programs", () => {
    const { print, events } = follow();
    print("<a 0\n>a 0 1000000 0000000000000001\n<b-1 0\n>b-1 0 2000000 0000000000000002\n");
    expect(events).toEqual([
      ["a", 0, { wallMs: 0, processorMs: 0, guestMs: 1, result: "0000000000000001" }],
      ["b-1", 0, { wallMs: 0, processorMs: 0, guestMs: 2, result: "0000000000000002" }],
    ]);
  });

  it("report failures, the end and what is no mark", () => {
    const { print, events } = follow();
    print("Userspace is up.\r\n\r\n<sort 0\n!sort 139\n=done\n");
    expect(events).toEqual([["other", "Userspace is up."], ["failure", "sort", 139], "done"]);
  });

  it("belong together: an end without its own start is none", () => {
    const { print, events } = follow();
    print(">a 0 5 0000000000000001\n<a 0\n>a 1 5 0000000000000001\n");
    expect(events).toEqual([
      ["other", ">a 0 5 0000000000000001"],
      ["other", ">a 1 5 0000000000000001"],
    ]);
  });
});
