import { parseRules, RuleError } from '../../../examples/packet-filter/rules.js';

test('a line is a rule, in words', () => {
  const [web, dns, all] = parseRules(
    '# services\nallow in 10.1.0.0/16  tcp 80-81 # web\n\nlimit 100/s burst 20 in any udp 53\ndeny out any',
  );
  expect(web).toMatchObject({ text: 'allow in 10.1.0.0/16 tcp 80-81', action: 'allow', direction: 'in' });
  expect(web).toMatchObject({ network: { octets: [10, 1, 0, 0], prefixLength: 16 }, protocols: [6], ports: [80, 81] });
  expect(dns).toMatchObject({
    action: 'limit',
    rate: 100,
    burst: 20,
    network: { prefixLength: 0 },
    protocols: [17],
    ports: [53],
  });
  expect(all).toMatchObject({ action: 'deny', direction: 'out', protocols: [0], ports: [0] });
});

test('names stand for all protocols they mean, and numbers for themselves', () => {
  const rules = parseRules('deny in any icmp\ndeny in any 47\ndeny in 2001:db8::/32 sctp 5');
  expect(rules.map(({ protocols }) => protocols)).toEqual([[1, 58], [47], [132]]);
  expect(rules[2]).toMatchObject({ network: { prefixLength: 32 } });
});

test.each([
  ['permit in any', 'rules:1: "permit in any" is not "allow|deny'],
  ['deny in any tcp 1 2', 'rules:1: "deny in any tcp 1 2" is not'],
  ['deny in 10.0.0.300', 'rules:1: network: "10.0.0.300" is no IPv4 or IPv6 address'],
  ['deny in 10.0.0.0/33', 'is not a number up to /32'],
  ['deny in fd00::/129', 'is not a number up to /128'],
  ['deny in 10.0.0.0/8/8', 'is not a number up to /32'],
  ['deny in 10.0.0.0/', 'is not a number up to /32'],
  ['deny in 10.0.0.1/8', '"10.0.0.1/8" has bits behind its length'],
  ['deny in any ssh', 'protocol "ssh" is not known'],
  ['deny in any 256', 'protocol "256" is not known'],
  ['deny in any tcp 0', '0 is no port'],
  ['deny in any tcp 80-79', '80-79 is no port or range'],
  ['deny in any tcp 1-65536', 'is no port or range'],
  ['deny in any tcp 1-2000', 'more than 1024 ports'],
  ['limit 0/s in any', 'a limit of 0 packets is "deny"'],
  ['deny in any\n\nallow in any', 'rules:3: line 1 already says'],
  ['deny in any udp 1-10\nlimit 5/s in any udp 7', 'rules:2: line 1 already says'],
  ['deny in 10.0.0.1 tcp 1\ndeny in 10.0.0.1/32 udp 1\nallow in 10.0.0.1 tcp 1', 'rules:3: line 1 already says'],
  ['deny in 2001:db8::1\nallow in 2001:db8:0::1/128', 'rules:2: line 1 already says'],
  ['deny in 10.0.0.0/8\nallow in ::ffff:10.0.0.0/104', 'rules:2: line 1 already says'],
  ['# none\n\ndeny in any # all\n\tdeny  in\tany', 'rules:4: line 3 already says'],
])('%j is refused: %s', (text, message) => {
  expect(() => parseRules(text)).toThrow(RuleError);
  expect(() => parseRules(text)).toThrow(message);
});
