// Run by list-maps.test.ts: what another process finds in a map.
import { BpfMap, HashMap } from '../../../lib/index.js';

const [id = ''] = process.argv.slice(2);
using map = BpfMap.open({ id: Number(id) }, { access: 'read' });
if (map instanceof HashMap) for (const entry of map) console.log(entry);
