import { type Assembler, al, byte, dil, eax, edi, qword, r12, rax, rbx, rcx, rdi, rsi } from "@xen-node/x86-assembler";
import { COMMANDS } from "./commands/commands.ts";
import { callWithText } from "./hypercall.ts";

const LINE_BYTES = 80;

const CTRL_C = 3;
const CTRL_D = 4;
const BACKSPACE = 8;
const NEWLINE = 10;
const RETURN = 13;
const CTRL_U = 21;
const ESCAPE = 27;
const SPACE = 0x20;
const DELETE = 127;

/** Entries of three addresses: name, routine, help. */
const ENTRY_BYTES = 24;

/** The line that is being typed, and the loop that waits for keys and the timer. It never returns. */
export function emitCommandLine(a: Assembler): void {
  a.reserve("line", LINE_BYTES);
  a.reserve("line_length", 8);
  a.reserve("in_escape", 1);
  emitTable(a);
  emitLoop(a);
  emitKey(a);
  emitRun(a);
}

function emitTable(a: Assembler): void {
  a.align(8);
  a.label("commands");
  for (const { name, routine, help } of COMMANDS) {
    a.address(a.text(name));
    a.address(routine);
    a.address(a.text(help));
  }
  for (let i = 0; i < 3; i++) a.integer(8, 0);
}

function emitLoop(a: Assembler): void {
  a.label("command_line");
  a.call("print_prompt");
  a.label("loop");
  a.call("console_flush");
  a.label("loop.wait");
  a.call("events_disable");
  a.op("cmp", byte("timer_fired"), 0);
  a.jump("ne", "loop.ready");
  a.call("has_input");
  a.test(al, al);
  a.jump("ne", "loop.ready");
  a.call("block");
  a.jmp("loop.wait");
  a.label("loop.ready");
  a.call("events_enable");
  a.op("cmp", byte("timer_fired"), 0);
  a.jump("e", "loop.keys");
  a.mov(byte("timer_fired"), 0);
  a.call("on_tick");
  a.label("loop.keys");
  a.call("get");
  a.test(eax, eax);
  a.jump("s", "loop");
  a.mov(edi, eax);
  a.call("key");
  a.jmp("loop.keys");

  // The prompt and what has been typed behind it.
  a.label("print_prompt");
  callWithText(a, "print", "demo> ");
  a.lea(rdi, qword("line"));
  a.mov(rcx, qword("line_length"));
  a.mov(byte(rdi, 0, { register: rcx, scale: 1 }), 0);
  a.jmp("print");
}

/** edi: a byte that was typed. */
function emitKey(a: Assembler): void {
  a.label("key");
  a.op("cmp", byte("in_escape"), 0);
  a.jump("ne", "key.escape");
  for (const [code, label] of [
    [RETURN, "key.enter"],
    [NEWLINE, "key.enter"],
    [BACKSPACE, "key.erase"],
    [DELETE, "key.erase"],
    [CTRL_U, "key.clear"],
    [CTRL_C, "key.cancel"],
    [CTRL_D, "key.end"],
  ] as const) {
    a.op("cmp", edi, code);
    a.jump("e", label);
  }
  a.op("cmp", edi, ESCAPE);
  a.jump("ne", "key.text");
  a.mov(byte("in_escape"), 1);
  a.emit("ret");

  // Keys such as the arrows: ESC, [ or O, parameters, a letter.
  a.label("key.escape");
  a.op("cmp", edi, "O".charCodeAt(0));
  a.jump("e", "key.ignored");
  a.op("cmp", edi, "[".charCodeAt(0));
  a.jump("e", "key.ignored");
  a.op("cmp", edi, 0x40);
  a.jump("b", "key.ignored");
  a.mov(byte("in_escape"), 0);
  a.label("key.ignored");
  a.emit("ret");

  a.label("key.text");
  a.op("cmp", edi, SPACE);
  a.jump("b", "key.ignored");
  a.op("cmp", edi, DELETE);
  a.jump("ae", "key.ignored");
  a.mov(rcx, qword("line_length"));
  // The last byte is the NUL's.
  a.op("cmp", rcx, LINE_BYTES - 1);
  a.jump("ae", "key.ignored");
  a.lea(rax, qword("line"));
  a.mov(byte(rax, 0, { register: rcx, scale: 1 }), dil);
  a.inc(qword("line_length"));
  a.jmp("put");

  a.label("key.erase");
  a.op("cmp", qword("line_length"), 0);
  a.jump("e", "key.ignored");
  a.dec(qword("line_length"));
  a.lea(rdi, qword(a.text("\b \b")));
  a.jmp("print");

  a.label("key.cancel");
  callWithText(a, "print", "^C\n");
  a.mov(qword("line_length"), 0);
  a.jmp("print_prompt");

  a.label("key.clear");
  a.mov(qword("line_length"), 0);
  callWithText(a, "print", "\r\x1b[K");
  a.jmp("print_prompt");

  a.label("key.end");
  a.op("cmp", qword("line_length"), 0);
  a.jump("ne", "key.ignored");
  callWithText(a, "print", "\n");
  a.jmp("halt");

  a.label("key.enter");
  callWithText(a, "print", "\n");
  a.call("run_line");
  a.mov(qword("line_length"), 0);
  a.jmp("print_prompt");
}

/** Runs the line: the command's routine with its argument, the rest of the line, in rdi. */
function emitRun(a: Assembler): void {
  a.label("run_line");
  a.push(rbx);
  a.push(r12);
  a.lea(rdi, qword("line"));
  a.mov(rcx, qword("line_length"));
  a.mov(byte(rdi, 0, { register: rcx, scale: 1 }), 0);
  a.call("skip_spaces");
  a.mov(r12, rdi);
  a.op("cmp", byte(r12), 0);
  a.jump("e", "run_line.done");
  a.lea(rbx, qword("commands"));
  a.label("run_line.next");
  a.mov(rsi, qword(rbx));
  a.test(rsi, rsi);
  a.jump("e", "run_line.unknown");
  a.mov(rdi, r12);
  a.call("starts_with_word");
  a.jump("e", "run_line.found");
  a.op("add", rbx, ENTRY_BYTES);
  a.jmp("run_line.next");
  a.label("run_line.found");
  a.call("skip_spaces");
  a.call(qword(rbx, 8));
  a.jmp("run_line.done");
  a.label("run_line.unknown");
  callWithText(a, "print", 'There is no command "');
  a.mov(rdi, r12);
  a.call("print");
  callWithText(a, "print", '": help lists them.\n');
  a.label("run_line.done");
  a.pop(r12);
  a.pop(rbx);
  a.emit("ret");

  // rdi: text -> rdi: its first byte that is no space.
  a.label("skip_spaces");
  a.op("cmp", byte(rdi), SPACE);
  a.jump("ne", "skip_spaces.done");
  a.inc(rdi);
  a.jmp("skip_spaces");
  a.label("skip_spaces.done");
  a.emit("ret");

  a.label("help");
  a.push(rbx);
  a.push(r12);
  a.lea(rbx, qword("commands"));
  a.label("help.next");
  a.mov(r12, qword(rbx));
  a.test(r12, r12);
  a.jump("e", "help.done");
  callWithText(a, "print", "  ");
  a.mov(rdi, qword(rbx, 16));
  a.call("print");
  callWithText(a, "print", "\n");
  a.op("add", rbx, ENTRY_BYTES);
  a.jmp("help.next");
  a.label("help.done");
  a.pop(r12);
  a.pop(rbx);
  a.emit("ret");
}
