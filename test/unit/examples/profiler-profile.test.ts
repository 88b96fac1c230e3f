import { flameGraph } from '../../../examples/profiler/flame-graph.js';
import { Profile, type Frame } from '../../../examples/profiler/profile.js';

const user = (name: string): Frame => ({ name, kind: 'user' });

function sampled(): Profile {
  const profile = new Profile();
  const node: Frame = { name: 'node (7)', kind: 'process' };
  profile.add([node, user('main'), user('work')], 6);
  profile.add([node, user('main'), { name: 'read', kind: 'kernel' }], 3);
  profile.add([node, user('main')], 1);
  profile.add([{ name: 'sh (8)', kind: 'process' }, user('work')], 2);
  return profile;
}

test('stacks are counted, in themselves and in what they called', () => {
  const { root } = sampled();
  const [node] = root.children();
  const [main] = node?.children() ?? [];
  expect([root.total, node?.total, main?.total, main?.self]).toEqual([12, 10, 10, 1]);
});

test('folded lines are what flame graph tools read', () => {
  expect(sampled().folded()).toBe('node (7);main 1\nnode (7);main;work 6\nnode (7);main;read_[k] 3\nsh (8);work 2\n');
  const hostile = new Profile();
  hostile.add([user('a;b\nc\u001b')], 1);
  expect(hostile.folded()).toBe('a_b_c_ 1\n');
  expect(new Profile().folded()).toBe('');
});

test('the hottest function is the one in which most samples were taken, whoever called it', () => {
  expect(sampled().hottest(2)).toEqual([
    { frame: user('work'), samples: 8 },
    { frame: { name: 'read', kind: 'kernel' }, samples: 3 },
  ]);
});

test('names in the page are data', () => {
  const hostile = new Profile();
  hostile.add([user('</script><script>alert(1)</script>'), user("$& $' <!--")], 1);
  const page = flameGraph(hostile, '<b>&');
  expect(page.match(/<script/gu)).toHaveLength(2);
  const [, data = ''] = /<script id="profile" type="application\/json">([^<]*)<\/script>/u.exec(page) ?? [];
  expect(JSON.parse(data)).toEqual({
    title: '<b>&',
    root: ['all', 'process', 1, [['</script><script>alert(1)</script>', 'user', 1, [["$& $' <!--", 'user', 1, []]]]]],
  });
});
