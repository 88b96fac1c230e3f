// Three machines in network namespaces of their own: `client`, whose packets `router` receives on its interface `toclient` and
// passes on to `server`, and back.
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export const addresses = { client: '10.1.0.2', server: '10.2.0.2', server6: 'fd00:2::2' } as const;

const inside = join(__dirname, '../fixtures/traffic.mjs');
/** New addresses are used at once, without asking whether somebody has them. */
const ready = 'ip link set lo up; for all in all default; do echo 0 > /proc/sys/net/ipv6/conf/$all/accept_dad; done; ';

/** A machine that sends and receives. */
export class TestMachine {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor() {
    this.#process = spawn('unshare', ['-n', process.execPath, inside], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 600_000,
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  static async create(): Promise<TestMachine> {
    const machine = new TestMachine();
    await machine.#answer();
    return machine;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get netns(): string {
    return `/proc/${this.pid}/ns/net`;
  }

  /** Runs a shell's commands in the machine's network. */
  run(script: string): void {
    execFileSync('nsenter', ['-t', String(this.pid), '-n', 'sh', '-ec', script], { stdio: 'pipe' });
  }

  /** Does one of the commands of traffic.mjs. */
  async do(command: string, details: object = {}): Promise<unknown> {
    this.#process.stdin.write(`${JSON.stringify({ command, ...details })}\n`);
    return this.#answer();
  }

  async close(): Promise<void> {
    const ended = this.#process.exitCode === null ? once(this.#process, 'exit') : undefined;
    this.#process.stdin.end();
    await ended;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('a machine of the test route ended');
    return JSON.parse(value) as unknown;
  }
}

export class TestRoute {
  readonly client: TestMachine;
  readonly router: TestMachine;
  readonly server: TestMachine;

  private constructor(client: TestMachine, router: TestMachine, server: TestMachine) {
    this.client = client;
    this.router = router;
    this.server = server;
  }

  static async create(): Promise<TestRoute> {
    const route = new TestRoute(await TestMachine.create(), await TestMachine.create(), await TestMachine.create());
    route.#connect();
    return route;
  }

  async close(): Promise<void> {
    await Promise.all([this.client.close(), this.router.close(), this.server.close()]);
  }

  #connect(): void {
    // Busybox names the peers itself.
    const wire = (name: string, pid: number): string =>
      `ip link add to${name} type veth; ip link set veth0 name ${name}0; ip link set ${name}0 netns ${pid}; `;
    this.router.run(
      `${ready}echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; ` +
        wire('client', this.client.pid) +
        wire('server', this.server.pid) +
        endOf('toclient', 1, 1) +
        endOf('toserver', 2, 1),
    );
    this.client.run(ready + endOf('client0', 1, 2) + wayOver(1));
    this.server.run(ready + endOf('server0', 2, 2) + wayOver(2));
  }
}

function endOf(name: string, network: number, host: number): string {
  return (
    `ip addr add 10.${network}.0.${host}/24 dev ${name}; ip -6 addr add fd00:${network}::${host}/64 dev ${name}; ` +
    `ip link set ${name} up; `
  );
}

function wayOver(network: number): string {
  return `ip route add default via 10.${network}.0.1; ip -6 route add default via fd00:${network}::1`;
}
