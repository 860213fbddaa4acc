/** The interceptor that checks each hop's scheme and literal address before anything is sent to it. */
import type { Dispatcher } from 'undici';
import type { Targets } from './targets.ts';

/** Names are checked where they are resolved, in the connector; here it is the URL itself. */
export function guardTargets(targets: Targets): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    // The URL parser brings 2130706433, 0x7f.1 and full-width digits into dotted form.
    targets.check(new URL(String(options.origin)));
    return dispatch(options, handler);
  };
}
