import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import type { Registry } from "prom-client";
import { UserError } from "../user-error.ts";

/** Where to listen. Port 0: any that is free. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

const LOOPBACK = "127.0.0.1";
const MOST_PORT = 65535;

/** Reads PORT, ADDRESS:PORT or [ADDRESS]:PORT. @throws UserError */
export function parseMetricsAddress(text: string): MetricsAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]:|([^:]+):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? LOOPBACK;
  const port = Number(digits);
  if (digits === undefined || port > MOST_PORT || isIP(host) === 0 || (bracketed !== undefined && isIP(host) !== 6))
    throw new UserError(
      `--metrics "${text}" is neither a port nor an address with one: write 9180, 0.0.0.0:9180 or [::1]:9180.`,
    );
  return { host, port };
}

/** Answers Prometheus, at /metrics. */
export class MetricsServer {
  private constructor(private readonly server: Server) {}

  /** @throws UserError, one sentence, if the address cannot be had */
  static async listen({ host, port }: MetricsAddress, registry: Registry): Promise<MetricsServer> {
    const server = createServer((request, response) => void answer(registry, request, response));
    server.listen(port, host);
    try {
      await once(server, "listening");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === "EADDRINUSE" ? "another program listens there" : message;
      throw new UserError(`metrics cannot be served at ${host} port ${port} (${why}): give --metrics another address.`);
    }
    // Guests keep the process alive, not whoever watches them.
    server.unref();
    return new MetricsServer(server);
  }

  get url(): string {
    const { address, family, port } = this.server.address() as AddressInfo;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}/metrics`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

async function answer(registry: Registry, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split("?")[0];
  if (path !== "/metrics") {
    response.writeHead(404, { "content-type": "text/plain" }).end("Metrics are at /metrics.\n");
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  try {
    const text = await registry.metrics();
    response.writeHead(200, { "content-type": registry.contentType }).end(text);
  } catch (error) {
    response.writeHead(500, { "content-type": "text/plain" }).end(`${String(error)}\n`);
  }
}
