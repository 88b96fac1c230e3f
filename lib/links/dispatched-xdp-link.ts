import { UpdatableLink } from './updatable-link.js';

/**
 * A program in the {@link XdpDispatcher} of an interface. There is no kernel link of its own, and nothing to
 * describe. As the protocol wants it, the dispatcher is pinned, and the program stays attached when the process ends without closing
 * this object. It can be pinned all the same, to be found again: {@link Link.pin}.
 * {@link UpdatableLink.update} keeps its place.
 */
export class DispatchedXdpLink extends UpdatableLink {}
