/** The interceptor that shows the headers of a registry's own answers to whoever keeps account of them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { PassingHandler } from './passing-handler.ts';

/** @param origin answers of other origins, to which a registry leads, say nothing about the registry. */
export function watchAnswers(
  origin: string,
  onAnswer: (headers: IncomingHttpHeaders) => void,
): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (request, handler) => {
    const isOwn = new URL(String(request.origin)).origin === origin;
    return dispatch(request, isOwn ? new WatchingHandler(handler, onAnswer) : handler);
  };
}

class WatchingHandler extends PassingHandler {
  readonly #onAnswer: (headers: IncomingHttpHeaders) => void;

  constructor(
    handler: Dispatcher.DispatchHandler,
    onAnswer: (headers: IncomingHttpHeaders) => void,
  ) {
    super(handler);
    this.#onAnswer = onAnswer;
  }

  override onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (status >= 200) this.#onAnswer(headers);
    super.onResponseStart(controller, status, headers, statusMessage);
  }
}
