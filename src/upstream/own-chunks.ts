/** The interceptor for whoever keeps what a response brings: each chunk is memory of its own. */
import type { Dispatcher } from 'undici';
import { PassingHandler } from './passing-handler.ts';

/** Copies what the sockets only lend. */
export function ownChunks(): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => dispatch(options, new CopyingHandler(handler));
}

class CopyingHandler extends PassingHandler {
  override onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    super.onResponseData(controller, Buffer.from(chunk));
  }
}
