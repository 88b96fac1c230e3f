// Maps and variables that a program in the kernel shares with JavaScript.
//   node maps.mjs [object]
import { ArrayMap, Ebpf, HashMap, LpmTrie, ipv4Prefix, struct, u32, u64, i32 } from 'node-ebpf';

const [object = new URL('../bpf-samples/maps.bpf.o', import.meta.url)] = process.argv.slice(2);

const ebpf = await Ebpf.load(object, { variables: { data_u32: 7 }, maps: { counts: { maxEntries: 1000 } } });
try {
  // A hash map is a JavaScript Map in manner. Keys and values are decoded by the types in the object.
  const flows = ebpf.map('flows', HashMap);
  const key = { address: 0x7f000001, port: 443, protocol: 6, padding: 0 };
  flows.set(key, {
    packets: 1,
    bytes: 2n ** 63n,
    from: { x: -1, y: 1 },
    label: 'https',
    hardware: new Uint8Array(6),
    open: true,
    colour: 5,
  });
  console.log(flows.get(key));

  // Or by types of your own, which are checked against those in the object and give TypeScript the types.
  const counts = ebpf.map('counts', HashMap.of(u32, u64.asNumber));
  for (const id of [1, 2, 3]) counts.set(id, id * 100);
  counts.delete(2);
  for (const [id, count] of counts) console.log(`counts[${id}] is ${count}`);

  const points = ebpf.map('points', ArrayMap.of(struct('point', { x: i32, y: i32 })));
  points.set(15, { x: 3, y: -4 });
  console.log(points.get(0), points.get(15), points.length);

  // Maps are made without an object too. This one finds the smallest network that holds an address.
  const routes = await LpmTrie.create({ name: 'routes', key: ipv4Prefix, value: u32, maxEntries: 100 });
  routes.set('10.0.0.0/8', 1);
  routes.set('10.1.0.0/16', 2);
  console.log(routes.get('10.1.2.3'), routes.get('10.2.3.4'), [...routes.keys()]);
  routes.close();

  // Global variables are read and written without a system call.
  ebpf.variables.data_u32 += 1;
  ebpf.variables.data_point = { x: 5, y: 6 };
  console.log(`data_u32 is ${ebpf.variables.data_u32}`, ebpf.variables.data_point);
} finally {
  await ebpf.close();
}
