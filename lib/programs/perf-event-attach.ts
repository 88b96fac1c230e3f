import { AttachType } from '../abi/index.js';
import { UnsupportedError } from '../errors/index.js';
import { features, supposed } from '../kernel/index.js';
import { PerfEventRequest, createLink, perfEventIoctlAsync, type Handle } from '../sys/index.js';

/** PERF_FLAG_FD_CLOEXEC */
export const closeOnExec = 8;

/**
 * Binds a program to a perf event and starts the event. The handle returned is what keeps both: a link, or before Linux
 * 5.15, which had none, the event itself. `event` belongs to this function.
 *
 * @throws {UnsupportedError} for a cookie on a kernel that has no such links.
 */
export async function attachToPerfEvent(
  program: Handle,
  event: Handle,
  cookie: number | bigint | undefined,
): Promise<Handle> {
  let link: Handle | undefined;
  try {
    const { supported, reason } = await supposed(features.perfLink());
    if (supported) {
      const fields = cookie === undefined ? {} : { 'perf_event.bpf_cookie': cookie };
      link = await createLink({ program, target: event, attachType: AttachType.PERF_EVENT, fields });
    } else if (cookie === undefined) {
      await perfEventIoctlAsync(event, PerfEventRequest.SET_BPF, program);
    } else {
      throw new UnsupportedError('attach cookies', `they need links of perf events: ${reason}`, { since: '5.15' });
    }
    await perfEventIoctlAsync(event, PerfEventRequest.ENABLE);
  } catch (error) {
    await link?.closeAsync();
    await event.closeAsync();
    throw error;
  }
  if (link === undefined) return event;
  // The link has a reference to the event of its own.
  await event.closeAsync();
  return link;
}
