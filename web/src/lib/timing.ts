/** Runs `pause` ms after the first call; calls meanwhile count as one. A steady stream does not put it off. */
export function gathered(run: () => void, pause: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined
      run()
    }, pause)
  }
}

/** Runs once, `pause` ms after the last call. */
export function debounced(run: () => void, pause: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  return () => {
    clearTimeout(timer)
    timer = setTimeout(run, pause)
  }
}
