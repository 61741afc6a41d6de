import { spawnSync } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ControlClient,
  type ControlHandlers,
  ControlServer,
  runnerSockets,
  stateFolder,
  unknownDomain,
} from "../src/index.ts";

const LISTEN_AND_DIE =
  'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';

let folder: string;
const servers: ControlServer[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-control-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(folder, { recursive: true, force: true });
});

async function serve(handlers: ControlHandlers, name = "a.sock"): Promise<string> {
  const server = await ControlServer.listen(join(folder, "private"), name, handlers);
  servers.push(server);
  return server.path;
}

const clientOf = (...paths: string[]) => new ControlClient(async () => paths);

describe("the control socket", () => {
  it("carries arguments and results", async () => {
    const asked: unknown[] = [];
    const path = await serve({
      operations: {
        rename: (args) => {
          asked.push(args);
          return null;
        },
      },
    });
    expect(await clientOf(path).call("rename", { domain: "a", name: "b" })).toBeNull();
    expect(asked).toEqual([{ domain: "a", name: "b" }]);
  });

  it("lies in a folder of its owner's alone", async () => {
    await serve({ operations: {} });
    expect((await stat(join(folder, "private"))).mode & 0o777).toBe(0o700);
    await writeFile(join(folder, "file"), "");
    await expect(ControlServer.listen(join(folder, "file"), "a.sock", { operations: {} })).rejects.toThrow(/file/);
  });

  it("tells why something was refused, and what is not known", async () => {
    const path = await serve({
      operations: {
        pause: ({ domain }) => {
          throw unknownDomain(domain);
        },
        unpause: () => {
          throw new Error("inside");
        },
      },
      describeError: (error) => `said: ${(error as Error).message}`,
    });
    const client = clientOf(path);
    await expect(client.call("pause", { domain: "x" })).rejects.toMatchObject({ kind: "unknown-domain" });
    await expect(client.call("unpause", { domain: "x" })).rejects.toMatchObject({ message: "said: inside" });
    await expect(client.call("destroy", { domain: "x" })).rejects.toMatchObject({ kind: "refused" });
    await expect(client.open("console", { domain: "x" })).rejects.toMatchObject({ kind: "refused" });
  });

  it("goes from server to server until one has the domain, and past those that are gone", async () => {
    const none = await serve({
      operations: {
        pause: ({ domain }) => {
          throw unknownDomain(domain);
        },
      },
    });
    const one = await serve({ operations: { pause: () => null } }, "b.sock");
    const gone = join(folder, "private", "gone.sock");
    const killed = join(folder, "private", "killed.sock");
    spawnSync(process.execPath, ["-e", LISTEN_AND_DIE, killed]);
    expect((await stat(killed)).isSocket()).toBe(true);
    await expect(clientOf(killed).call("pause", { domain: "x" })).rejects.toMatchObject({ kind: "no-server" });
    const strange = createServer((socket) => socket.end("hello\n"));
    const strangers = join(folder, "private", "strange.sock");
    await new Promise<void>((resolve) => strange.listen(strangers, resolve));
    expect(await clientOf(strangers, one).call("pause", { domain: "x" })).toBeNull();
    await expect(clientOf(strangers).call("pause", { domain: "x" })).rejects.toThrow(/of another version/);
    strange.close();
    expect(await clientOf(gone, none, one).call("pause", { domain: "x" })).toBeNull();
    await expect(clientOf(gone).call("pause", { domain: "x" })).rejects.toMatchObject({ kind: "no-server" });
  });

  it("hands over a stream with every byte in both directions", async () => {
    const path = await serve({
      operations: {},
      streams: {
        console:
          ({ domain }) =>
          (socket) => {
            socket.write(`hello ${domain}\n`);
            socket.pipe(socket);
          },
      },
    });
    const socket = await clientOf(path).open("console", { domain: "web" });
    let seen = "";
    const done = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => {
      seen += chunk;
      if (seen.endsWith("typed")) socket.end();
    });
    socket.resume();
    socket.write("typed");
    await done;
    expect(seen).toBe("hello web\ntyped");
  });

  it("notices who goes away before the answer", async () => {
    const gone = withResolvers();
    const path = await serve({
      operations: {
        wait: (_args, caller) => new Promise(() => caller.onGone(() => gone.resolve(undefined))),
      },
    });
    const socket = connect(path, () => {
      socket.write('{"operation":"wait","args":{"domid":1,"gone":true}}\n');
      setTimeout(() => socket.destroy(), 20);
    });
    await gone.promise;
  });

  it.each(["no json\n", '{"operation":"pause"}\n', '{"operation":"toString","args":{}}\n', "[]\n", '{"a":1}\n'])(
    "does not understand %j",
    async (line) => {
      const path = await serve({ operations: { pause: () => null } });
      const answer = await new Promise<string>((resolve) => {
        const socket = connect(path, () => socket.write(line));
        socket.on("data", (chunk) => resolve(String(chunk)));
      });
      expect(JSON.parse(answer).kind).toBe("not-understood");
    },
  );

  it("drops who sends a line without end", async () => {
    const path = await serve({ operations: {} });
    const closed = new Promise<void>((resolve) => {
      const socket = connect(path, () => socket.write(Buffer.alloc(2 ** 20 + 4096, 32)));
      socket.on("error", () => {});
      socket.on("close", () => resolve());
    });
    await closed;
  });
});

describe("the folder of runners", () => {
  it("lists living ones and forgets those that were killed", async () => {
    const dead = join(folder, `${2 ** 30}.sock`);
    const alive = join(folder, `${process.pid}.sock`);
    await writeFile(dead, "");
    await writeFile(alive, "");
    await writeFile(join(folder, "other"), "");
    expect(await runnerSockets(folder)).toEqual([alive]);
    await expect(stat(dead)).rejects.toThrow(/ENOENT/);
  });
});

describe("the state folder", () => {
  it.each([
    [{ XEN_NODE_STATE: "/s", XDG_STATE_HOME: "/x" }, "/s"],
    [{ XDG_STATE_HOME: "/x" }, "/x/xen-node"],
  ])("of %j is %s", (environment, path) => expect(stateFolder(environment)).toBe(path));
});

function withResolvers(): { promise: Promise<unknown>; resolve: (value: unknown) => void } {
  let resolve: (value: unknown) => void = () => {};
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
