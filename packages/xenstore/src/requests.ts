// Requests as they come over the wire: arguments out of the payload, the session's method, the reply's payload.

import {
  DOMID_FIRST_RESERVED,
  DOMID_SELF,
  E2BIG,
  EACCES,
  EAGAIN,
  EBUSY,
  EEXIST,
  EINVAL,
  EIO,
  EISCONN,
  EISDIR,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOSYS,
  ENOTEMPTY,
  EPERM,
  EROFS,
  errnoName,
  XENSTORE_PAYLOAD_MAX,
  XENSTORE_SERVER_FEATURE_WATCHDEPTH,
  XS_CONTROL,
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
  XS_ERROR,
  XS_GET_DOMAIN_PATH,
  XS_GET_FEATURE,
  XS_GET_PERMS,
  XS_GET_QUOTA,
  XS_INTRODUCE,
  XS_IS_DOMAIN_INTRODUCED,
  XS_MKDIR,
  XS_READ,
  XS_RELEASE,
  XS_RESET_WATCHES,
  XS_RESUME,
  XS_RM,
  XS_SET_FEATURE,
  XS_SET_PERMS,
  XS_SET_QUOTA,
  XS_SET_TARGET,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
} from "@xen-node/xen-abi";
import { directoryPart, namesPayload } from "./directory.ts";
import type { StoreNode } from "./node.ts";
import { domainPath } from "./path.ts";
import type { Permission } from "./permissions.ts";
import { formatPermission, parsePermission } from "./permissions.ts";
import type { QuotaName } from "./quota.ts";
import { DEFAULT_QUOTAS, isQuotaName } from "./quota.ts";
import type { Session } from "./session.ts";
import type { Message } from "./wire.ts";
import { bytesToText, joinStrings, onlyString, splitStrings } from "./wire.ts";

/** What requests about domains need; only domain 0 gets as far as calling it. Results: 0 or more, or a negative errno. */
export interface DomainRegistry {
  isIntroduced(domid: number): boolean;
  introduce(domid: number, gfn: number, port: number): number;
  release(domid: number): number;
  resume(domid: number): number;
  setTarget(domid: number, target: number): number;
  /** Features offered to `domid`, or those supported at all. */
  features(domid?: number): number;
  setFeatures(domid: number, features: number): number;
  quota(domid: number | undefined, name: QuotaName): number;
  setQuota(domid: number | undefined, name: QuotaName, value: number): void;
}

interface Call {
  readonly session: Session;
  readonly domains: DomainRegistry;
  readonly txId: number;
  readonly payload: Uint8Array;
}

type Result = number | Uint8Array | { payload: Uint8Array; after: () => void };

interface Handler {
  readonly run: (call: Call) => Result;
  /** Only for domain 0; others get EACCES. */
  readonly privileged?: boolean;
  /** Doesn't look at tx_id. */
  readonly ignoresTransaction?: boolean;
}

/** Answers `request`. Whatever is not built, or not a request, is ENOSYS. */
export function answer(
  session: Session,
  domains: DomainRegistry,
  request: Message,
): { reply: Message; after?: () => void } {
  const { type, reqId, txId, payload } = request;
  const handler = handlers.get(type);
  let result: Result;
  if (handler === undefined) result = -ENOSYS;
  else if (handler.privileged && !session.privileged) result = -EACCES;
  else {
    const known = handler.ignoresTransaction ? 0 : session.checkTransaction(txId);
    result = known < 0 ? known : handler.run({ session, domains, txId, payload });
  }
  const [body, after] =
    result instanceof Uint8Array || typeof result === "number" ? [result] : [result.payload, result.after];
  if (typeof body === "number" && body < 0) return { reply: errorReply(reqId, txId, -body) };
  const bytes = typeof body === "number" ? OK : body;
  if (bytes.length > XENSTORE_PAYLOAD_MAX) return { reply: errorReply(reqId, txId, E2BIG) };
  return { reply: { type, reqId, txId, payload: bytes }, after };
}

const OK = joinStrings(["OK"]);

// The names that clients know, from xs_wire.h.
const WIRE_ERRORS = new Set([
  ...[EINVAL, EACCES, EEXIST, EISDIR, ENOENT, ENOMEM, ENOSPC, EIO, ENOTEMPTY, ENOSYS, EROFS, EBUSY, EAGAIN, EISCONN],
  ...[E2BIG, EPERM],
]);

function errorReply(reqId: number, txId: number, errno: number): Message {
  const name = errnoName(WIRE_ERRORS.has(errno) ? errno : EINVAL);
  return { type: XS_ERROR, reqId, txId, payload: joinStrings([name]) };
}

const number = (text: string): number => Number.parseInt(text, 10) || 0;

/** A domain's number; -EINVAL if it is none. */
function domidOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return -EINVAL;
  return Number(text) > 0xffff ? -EINVAL : Number(text);
}

/** A handler for requests whose payload is one path. */
const onPath = (run: (call: Call, path: string) => Result): Handler => ({
  run: (call) => {
    const path = onlyString(call.payload);
    return path === undefined ? -EINVAL : run(call, path);
  },
});

/** A handler for requests of domain 0 whose payload is one domid. */
const onDomain = (run: (call: Call, domid: number) => Result, privileged: boolean): Handler => ({
  privileged,
  run: (call) => {
    const domid = domidOf(onlyString(call.payload));
    return domid < 0 ? domid : run(call, domid);
  },
});

const found = (node: StoreNode | number, show: (node: StoreNode) => Uint8Array): Result =>
  typeof node === "number" ? node : show(node);

function write({ session, txId, payload }: Call): Result {
  const nul = payload.indexOf(0);
  if (nul < 0) return -EINVAL;
  return session.write(txId, bytesToText(payload.subarray(0, nul)), payload.slice(nul + 1));
}

function part({ session, txId, payload }: Call): Result {
  const strings = splitStrings(payload);
  if (strings.length !== 2) return -EINVAL;
  const offset = number(strings[1]);
  return offset < 0 ? -EINVAL : found(session.directory(txId, strings[0]), (node) => directoryPart(node, offset));
}

function setPermissions({ session, txId, payload }: Call): Result {
  const [path, ...texts] = splitStrings(payload);
  if (texts.length < 1) return -EINVAL;
  const permissions: Permission[] = [];
  for (const text of texts) {
    const permission = parsePermission(text);
    if (typeof permission === "number") return permission;
    permissions.push(permission);
  }
  return session.setPermissions(txId, path, permissions);
}

function watch({ session, domains, payload }: Call): Result {
  const [path, token, depthText, ...more] = splitStrings(payload);
  if (token === undefined || more.length > 0) return -EINVAL;
  let depth = -1;
  if (depthText !== undefined) {
    depth = number(depthText);
    if (depth < 0 || !(domains.features(session.domid) & XENSTORE_SERVER_FEATURE_WATCHDEPTH)) return -EINVAL;
  }
  const added = session.watch(path, token, depth);
  return typeof added === "number" ? added : { payload: OK, after: () => session.fireFirst(added) };
}

function unwatch({ session, payload }: Call): Result {
  const strings = splitStrings(payload);
  return strings.length === 2 ? session.unwatch(strings[0], strings[1]) : -EINVAL;
}

function endTransaction({ session, txId, payload }: Call): Result {
  const text = onlyString(payload);
  return text === "T" || text === "F" ? session.endTransaction(txId, text === "T") : -EINVAL;
}

function introduce({ domains, payload }: Call): Result {
  const [domidText, gfn, port] = splitStrings(payload);
  const domid = domidOf(domidText);
  if (domid < 0 || port === undefined || number(port) <= 0) return -EINVAL;
  return domid === 0 || domid >= DOMID_FIRST_RESERVED ? -EINVAL : domains.introduce(domid, number(gfn), number(port));
}

function setTarget({ domains, payload }: Call): Result {
  const [domid, target] = splitStrings(payload).map(domidOf);
  return target === undefined || domid < 0 || target < 0 ? -EINVAL : domains.setTarget(domid, target);
}

function getFeature({ session, domains, payload }: Call): Result {
  const strings = splitStrings(payload);
  if (strings.length === 0) return joinStrings([`${domains.features(session.domid)}`]);
  if (!session.privileged) return -EACCES;
  const domid = strings.length > 1 ? -EINVAL : domidOf(strings[0]);
  return domid < 0 ? domid : joinStrings([`${domains.features(domid)}`]);
}

function setFeature({ domains, payload }: Call): Result {
  const strings = splitStrings(payload);
  const domid = domidOf(strings[0]);
  return strings.length !== 2 || domid < 0 ? -EINVAL : domains.setFeatures(domid, number(strings[1]));
}

function getQuota({ domains, payload }: Call): Result {
  const strings = splitStrings(payload);
  if (strings.length === 0) return joinStrings([Object.keys(DEFAULT_QUOTAS).join(" ")]);
  const name = strings[strings.length - 1];
  const domid = strings.length === 2 ? domidOf(strings[0]) : undefined;
  if (strings.length > 2 || !isQuotaName(name) || (domid ?? 0) < 0) return -EINVAL;
  return joinStrings([`${domains.quota(domid, name)}`]);
}

function setQuota({ domains, payload }: Call): Result {
  const strings = splitStrings(payload);
  const [name, value] = strings.slice(-2);
  const domid = strings.length === 3 ? domidOf(strings[0]) : undefined;
  if (strings.length < 2 || strings.length > 3 || !isQuotaName(name) || (domid ?? 0) < 0) return -EINVAL;
  if (!/^\d{1,9}$/.test(value)) return -EINVAL;
  domains.setQuota(domid, name, Number(value));
  return 0;
}

// CONTROL has no commands here: its handler only keeps the order of the errors, EACCES before ENOSYS.
const handlers: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [XS_CONTROL, { run: () => -ENOSYS, privileged: true, ignoresTransaction: true }],
  [XS_DIRECTORY, onPath(({ session, txId }, path) => found(session.directory(txId, path), namesPayload))],
  [XS_READ, onPath(({ session, txId }, path) => found(session.read(txId, path), (node) => node.value))],
  [
    XS_GET_PERMS,
    onPath(({ session, txId }, path) =>
      found(session.getPermissions(txId, path), (node) => joinStrings(node.permissions.map(formatPermission))),
    ),
  ],
  [XS_WATCH, { run: watch, ignoresTransaction: true }],
  [XS_UNWATCH, { run: unwatch, ignoresTransaction: true }],
  [
    XS_TRANSACTION_START,
    {
      run: ({ session, txId }) => {
        const id = session.startTransaction(txId);
        return id < 0 ? id : joinStrings([`${id}`]);
      },
    },
  ],
  [XS_TRANSACTION_END, { run: endTransaction }],
  [XS_INTRODUCE, { run: introduce, privileged: true }],
  [XS_RELEASE, onDomain(({ domains }, domid) => (domid === 0 ? -EINVAL : domains.release(domid)), true)],
  [XS_GET_DOMAIN_PATH, onDomain((_, domid) => joinStrings([domainPath(domid)]), false)],
  [XS_WRITE, { run: write }],
  [XS_MKDIR, onPath(({ session, txId }, path) => session.mkdir(txId, path))],
  [XS_RM, onPath(({ session, txId }, path) => session.rm(txId, path))],
  [XS_SET_PERMS, { run: setPermissions }],
  [
    XS_IS_DOMAIN_INTRODUCED,
    onDomain(
      ({ domains }, domid) => joinStrings([domid === DOMID_SELF || domains.isIntroduced(domid) ? "T" : "F"]),
      true,
    ),
  ],
  [XS_RESUME, onDomain(({ domains }, domid) => (domid === 0 ? -EINVAL : domains.resume(domid)), true)],
  [XS_SET_TARGET, { run: setTarget, privileged: true }],
  [
    XS_RESET_WATCHES,
    {
      run: ({ session }) => {
        session.reset();
        return 0;
      },
    },
  ],
  [XS_DIRECTORY_PART, { run: part }],
  [XS_GET_FEATURE, { run: getFeature }],
  [XS_SET_FEATURE, { run: setFeature, privileged: true }],
  [XS_GET_QUOTA, { run: getQuota, privileged: true }],
  [XS_SET_QUOTA, { run: setQuota, privileged: true }],
]);
