/** The interceptors that follow redirects of GET and HEAD: undici's own, with our word on where they may lead. */
import { interceptors, type Dispatcher } from 'undici';
import { MAX_REDIRECTS } from './bounds.ts';
import { UpstreamError } from './upstream.ts';

/** A redirect led out of the origin that was asked. */
export class LeftOriginError extends Error {
  override readonly name = 'LeftOriginError';
}

/**
 * Follows redirects; every hop passes the inner interceptors, so the address guard sees it and authentication decides
 * by its origin. undici drops Authorization and cookies across origins and notices circles.
 * @param within 'origin' fails with {@link LeftOriginError} before anything is sent to another origin.
 */
export function followRedirects(
  within: 'origin' | 'anywhere',
): Dispatcher.DispatcherComposeInterceptor {
  const follow = interceptors.redirect({
    maxRedirections: MAX_REDIRECTS,
    throwOnMaxRedirect: true,
  });
  return (dispatch) => (options, handler) => {
    if (options.method !== 'GET' && options.method !== 'HEAD') return dispatch(options, handler);
    const first = new URL(String(options.origin));
    let secure = first.protocol === 'https:';
    const hop: Dispatcher.Dispatch = (hopOptions, hopHandler) => {
      const target = new URL(String(hopOptions.origin));
      if (within === 'origin' && target.origin !== first.origin) {
        throw new LeftOriginError(`redirected from ${first.host} to ${target.host}`);
      }
      if (secure && target.protocol !== 'https:') {
        throw new UpstreamError(
          'refused-target',
          `refused a redirect from https to ${target.protocol}//${target.host}`,
        );
      }
      secure = target.protocol === 'https:';
      return dispatch(hopOptions, hopHandler);
    };
    return follow(hop)(options, handler);
  };
}
