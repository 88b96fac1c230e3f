// Run by routes.test.ts in a network namespace of its own: a packet that is sent by way of a segment, whose end is a program.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { Ebpf, LwtSeg6local } from '../../../lib/index.js';
import { sample } from '../../helpers/samples.js';
import { goBySegment } from '../../helpers/sockets.js';
import { until } from '../../helpers/until.js';

async function main(): Promise<void> {
  const ebpf = await Ebpf.load(sample('routes'));
  await ebpf.program('end', LwtSeg6local).attach({ destination: 'fc00::1', interface: 'lo', type: 'local' });
  const socket = createSocket('udp6');
  socket.bind(0, '::1');
  await once(socket, 'listening');
  goBySegment(socket);
  socket.send('x', 9, '::1');
  await until(() => ebpf.variables['ended'] !== 0n);
  console.log(`ended ${String(ebpf.variables['ended'])}`);
  socket.close();
  await ebpf.close();
}

void main();
