import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { createConsole } from '../src/console/console.ts';
import type { Status } from '../src/contracts/status.ts';
import { createAuthority } from '../src/simulators/pki.ts';
import { systemClock } from '../src/system-clock.ts';
import { runCommand } from './cli/kit.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'docs/deploy');
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: manifests are read as they are
type Manifest = any;

const configText = read('sluss.yaml');
const config: Manifest = parse(configText);
const compose: Manifest = parse(read('compose.yaml'), { merge: true });
const kubernetes: Manifest[] = parseAllDocuments(read('kubernetes.yaml')).map((document) => document.toJS());
const unit = read('sluss.service');
const unitEnv = read('sluss.env');
const haproxy = read('haproxy.cfg');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');

const kind = (name: string): Manifest => kubernetes.find((one) => one.kind === name);
const pod: Manifest = kind('StatefulSet').spec.template;
const container: Manifest = pod.spec.containers[0];
const nodes = Object.entries<Manifest>(compose.services).filter(([name]) => name.startsWith('sluss-'));
const mllpPorts = Object.values<Manifest>(config.channels).map(({ source }) => source.port as number);

/** The files that the configuration reads as secrets. */
const secrets = [...configText.matchAll(/\$\{SLUSS_SECRETS:-[^}]*\}\/([\w.-]+)/g)]
  .map(([, name]) => name as string)
  .sort();

describe('the deployment in docs/deploy', () => {
  it('names in each place the secrets that the configuration reads, and holds none of them', () => {
    expect(secrets).toContain('sluss-secret');
    expect(Object.keys(compose.secrets).sort()).toEqual(secrets);
    for (const [, node] of nodes) expect([...node.secrets].sort()).toEqual(secrets);
    expect(unit).toContain('EnvironmentFile=/etc/sluss/sluss.env\n');
    for (const name of secrets) expect(read('kubernetes.yaml').replace(/\s+#\s*/g, ' ')).toContain(name);
    expect(kubernetes.filter((one) => one.kind === 'Secret')).toEqual([]);
    const urls =
      [configText, read('compose.yaml'), read('kubernetes.yaml'), unitEnv].join('\n').match(/postgres:\/\/\S+/g) ?? [];
    expect(urls).toHaveLength(3);
    for (const url of urls) expect(url).toMatch(/^postgres:\/\/sluss@/);
  });

  it('has a configuration that could be started, once its secrets are there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluss-deploy-'));
    try {
      const authority = await createAuthority({ name: 'Deployment', now: Date.now() });
      const nord = await authority.issueClient({ organisation: 'Region Nord', organisationNumber: '2321000016' });
      const files: Record<string, string> = {
        'sluss-secret': 'x'.repeat(40),
        'postgres-password': 'secret',
        'covidbevis-ca.crt': authority.cert,
        'region-nord.crt': nord.cert,
        'region-nord.key': nord.key,
      };
      expect(Object.keys(files).sort()).toEqual(secrets);
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const url = container.env.find(({ name }: Manifest) => name === 'SLUSS_JOURNAL').value;
      const env = { SLUSS_SECRETS: folder, SLUSS_MAPPINGS: join(ROOT, 'mappings'), SLUSS_JOURNAL: url };
      const { code, err } = await runCommand(['check', '-c', join(FOLDER, 'sluss.yaml')], env).done;
      expect([code, err.includes('sluss.yaml')]).toEqual([0, false]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('listens and asks at the ports of the configuration', () => {
    const consolePort = config.console.port;
    expect(container.ports).toEqual([
      { name: 'mllp', containerPort: mllpPorts[0], protocol: 'TCP' },
      { name: 'console', containerPort: consolePort, protocol: 'TCP' },
    ]);
    const [balanced, named] = kubernetes.filter((one) => one.kind === 'Service').map(({ spec }) => spec.ports);
    expect(balanced).toEqual([{ name: 'mllp', port: mllpPorts[0], targetPort: 'mllp', protocol: 'TCP' }]);
    expect(named).toEqual([{ name: 'console', port: consolePort, targetPort: 'console', protocol: 'TCP' }]);
    expect(compose.services.balancer.ports).toEqual(mllpPorts.map((port) => `${port}:${port}`));
    expect([...haproxy.matchAll(/^\s+bind :(\d+)$/gm)].map(([, port]) => Number(port))).toEqual(mllpPorts);
    expect(haproxy).toContain(`check port ${consolePort} `);
    expect(dockerfile).toContain(`EXPOSE ${mllpPorts[0]} ${consolePort}`);
    expect(dockerfile).toContain(`http://127.0.0.1:${consolePort}/live`);
  });

  it('leads the balancer to the nodes there are', () => {
    const servers = [...haproxy.matchAll(/^\s+server (\S+) (\S+):(\d+)$/gm)].map(([, name, host, port]) => [
      name,
      host,
      port,
    ]);
    expect(servers).toEqual(nodes.map(([name]) => [name, name, String(mllpPorts[0])]));
    expect(compose.services.balancer.depends_on).toEqual(nodes.map(([name]) => name));
    for (const [name, node] of nodes) expect(node.hostname).toBe(name);
    const labels = pod.metadata.labels;
    expect(kind('StatefulSet').spec.selector.matchLabels).toEqual(labels);
    for (const service of kubernetes.filter((one) => one.kind === 'Service'))
      expect(service.spec.selector).toEqual(labels);
    expect(kind('PodDisruptionBudget').spec).toEqual({ maxUnavailable: 1, selector: { matchLabels: labels } });
    expect(kind('NetworkPolicy').spec.podSelector.matchLabels).toEqual(labels);
    const headless = kubernetes.find((one) => one.kind === 'Service' && one.spec.clusterIP === 'None');
    expect(kind('StatefulSet').spec.serviceName).toBe(headless.metadata.name);
    const [term] = pod.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    expect(term).toEqual({ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } });
  });

  it('probes what the console answers, and starts nothing anew while only the journal is away', async () => {
    const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe];
    const paths = [...probes.map(({ httpGet }) => httpGet.path), /httpchk GET (\S+)/.exec(haproxy)?.[1]];
    const away = {
      problem: () => 'the journal cannot be written',
      isReady: () => true,
      disk: () => ({ hasRoom: true }),
    };
    const page = createConsole({ host: '127.0.0.1', port: 0, status: away as unknown as Status, clock: systemClock });
    const address = await page.start();
    try {
      for (const path of paths) expect((await fetch(address + path)).status, path).not.toBe(404);
      for (const { httpGet } of [container.startupProbe, container.livenessProbe])
        expect((await fetch(address + httpGet.path)).status).toBe(200);
      // As HAProxy asks: HTTP/1.0, and no host.
      const socket = connect(Number(new URL(address).port), '127.0.0.1');
      socket.write(`GET ${paths.at(-1)} HTTP/1.0\r\n\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
    } finally {
      await page.stop();
    }
    for (const { httpGet } of probes) expect(httpGet.port).toBe('console');
    expect(haproxy).toContain(' on-marked-down shutdown-sessions ');
    // Asked by its socket, the server that makes the database says that it is ready, and goes away again.
    expect(compose.services.postgres.healthcheck.test).toContain('--host=127.0.0.1');
  });

  it('runs as the user of the image, where the image looks for its configuration, with nothing it could write', () => {
    const uid = Number(/--uid (\d+)/.exec(dockerfile)?.[1]);
    const { securityContext, volumes } = pod.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: uid, runAsGroup: uid, fsGroup: uid });
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
    const mounts = new Map<string, string>(
      container.volumeMounts.map(({ name, mountPath }: Manifest) => [name, mountPath]),
    );
    expect([...mounts.keys()]).toEqual(volumes.map(({ name }: Manifest) => name));
    expect(dockerfile).toContain(`"${mounts.get('config')}/sluss.yaml"`);
    expect(container.env).toContainEqual({ name: 'SLUSS_SECRETS', value: mounts.get('secrets') });
    // Root's files, and the group's to read, which is what kubelet makes of it.
    expect(read('kubernetes.yaml')).toContain('secretName: sluss, defaultMode: 0440 }');
    for (const [, node] of nodes) {
      expect(node).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
      expect(node.volumes).toEqual([`./sluss.yaml:${mounts.get('config')}/sluss.yaml:ro`]);
    }
    const bin = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).bin.sluss;
    const variables = [...configText.matchAll(/\$\{(SLUSS_\w+)/g)].map(([, name]) => name as string);
    const named = [...unitEnv.matchAll(/^(\w+)=/gm)].map(([, name]) => name as string);
    expect(variables).toEqual(expect.arrayContaining(named));
    expect(unit).toContain(`/sluss/${bin} run --config /etc/sluss/sluss.yaml`);
  });

  it('waits for longer than a stop takes', () => {
    // Five seconds for answers, and engine.grace for attempts.
    const stopSeconds = 5 + 10;
    const { exec } = container.lifecycle.preStop;
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(stopSeconds + Number(exec.command[1]));
    for (const [, node] of nodes) expect(Number.parseInt(node.stop_grace_period, 10)).toBeGreaterThan(stopSeconds);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(stopSeconds);
  });
});
