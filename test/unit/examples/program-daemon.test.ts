import { anyRequest, grantsFile, parse, requireRoom } from '../../../examples/program-daemon/grants.js';
import type { Grant, Request } from '../../../examples/program-daemon/grants.js';

const parseRequest = (line: string): Request => parse(anyRequest, line, 'request');
const parseGrants = (json: string): Grant[] => parse(grantsFile, json, 'the file');

const request = (given: object): string => JSON.stringify({ do: 'load', name: 'x', object: 'aGk=', ...given });
const attach = [{ program: 'p', hook: 'xdp', interface: 'eth0' }];

describe('requests', () => {
  test('are read with their defaults', () => {
    expect(parseRequest(request({ attach }))).toEqual({
      do: 'load',
      name: 'x',
      object: Buffer.from('hi'),
      variables: {},
      attach: [{ program: 'p', hook: 'xdp', interface: 'eth0', priority: 50 }],
    });
    expect(parseRequest('{"do":"list"}')).toMatchObject({ do: 'list' });
    expect(parseRequest('{"do":"unload","name":"a-B_9"}')).toMatchObject({ do: 'unload', name: 'a-B_9' });
  });

  test.each([
    ['', 'request'],
    ['[]', 'request'],
    ['null', 'request'],
    ['{"do":"constructor"}', 'do'],
    ['{"do":"unload"}', 'name'],
    ['{"do":"unload","name":"a@b"}', 'name'],
    ['{"do":"unload","name":"a.b"}', 'name'],
    ['{"do":"list","path":"/"}', 'request'],
    [request({}), 'attach'],
    [request({ attach: Array.from({ length: 33 }, () => attach[0]) }), 'attach'],
    [request({ attach, object: 5 }), 'object'],
    [request({ attach, variables: [] }), 'variables'],
    [request({ attach: [{ ...attach[0], interface: undefined }] }), 'attach[0]'],
    [request({ attach: [{ ...attach[0], priority: 65_536 }] }), 'attach[0].priority'],
    [request({ attach: [{ ...attach[0], priority: '1' }] }), 'attach[0].priority'],
    [request({ attach: ['p'] }), 'attach[0]'],
  ])('%s is refused by the member at fault', (line, path) => {
    expect(() => parseRequest(line)).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST', details: { path } }) as Error,
    );
  });
});

describe('grants', () => {
  const quotas = { programs: 2, maps: 3, bytes: 100 };

  test('have what the file says, and nothing else', () => {
    const grants = parseGrants(JSON.stringify({ alice: { uid: 7, types: ['XDP'], ...quotas } }));
    expect(grants).toEqual([{ name: 'alice', uid: 7, types: ['XDP'], hooks: [], interfaces: [], ...quotas }]);
  });

  test.each([
    ['{', 'the file'],
    ['{"a/b":{}}', '["a/b"]'],
    [JSON.stringify({ alice: quotas }), 'alice.uid'],
    [JSON.stringify({ alice: { uid: 1, programs: 1, maps: 1 } }), 'alice.bytes'],
    [JSON.stringify({ alice: { uid: 1, types: ['XPD'], ...quotas } }), 'alice.types[0]'],
    [JSON.stringify({ alice: { uid: 1, type: ['XDP'], ...quotas } }), 'alice'],
  ])('%s is refused by the member at fault', (json, path) => {
    expect(() => parseGrants(json)).toThrow(expect.objectContaining({ details: { path } }) as Error);
  });

  test('end where a quota does', () => {
    const grant = { name: 'alice', uid: 1, types: [], hooks: [], interfaces: [], ...quotas };
    const used = { programs: 1, maps: 1, bytes: 60 };
    expect(() => requireRoom(grant, used, { programs: 1, maps: 2, bytes: 40 })).not.toThrow();
    expect(() => requireRoom(grant, used, { programs: 1, maps: 2, bytes: 41 })).toThrow(
      expect.objectContaining({
        code: 'ERR_GRANT_QUOTA',
        details: { quota: 'bytes', limit: 100, used: 60, wanted: 41 },
        message: 'grant alice has 60 of 100 bytes: 41 more are too many',
      }) as Error,
    );
  });
});
